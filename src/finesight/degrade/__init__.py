"""How low quality is made: resizing, blur, noise, compression."""
