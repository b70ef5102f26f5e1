"""What a recipe may say, part by part."""
