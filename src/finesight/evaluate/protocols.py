"""Named protocols: which colour, border, rounding and averaging a table's numbers were measured with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Literal

from finesight.errors import SettingError, nearest

__all__ = ["PROTOCOLS", "Protocol", "protocol"]

Colour = Literal["rgb", "y"]
Rounding = Literal["8-bit", "none"]
Averaging = Literal["images", "clips"]
Frames = Literal["all", "middle"]


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """Everything that changes a number and that papers rarely say.

    Args:
        name: of the protocol.
        title: what it is, in one line for under a table.
        source: where it comes from.
        colour: what PSNR and SSIM are taken of: ``rgb``, or ``y``: the unrounded BT.601 luma of MATLAB's rgb2ycbcr.
            Other metrics have their own colour and keep it.
        border: pixels left out on each side by every metric; ``scale`` means as many as the enlargement.
        rounding: both pictures are rounded to 8-bit levels first, or used as they are.
        multiple: both pictures are first cut, at their right and bottom, to a multiple of this.
        ssim: ``channels`` averages over all channels; ``blue`` is mmediting's: of cropped colour pictures that one.
        averaging: the mean over all pictures, or over the frames of each clip and then over clips.
        frames: which frames of a clip count: all, or only the middle one.
        metrics: what is measured unless something else is asked for.
        note: what else to know.
    """

    name: str
    title: str
    source: str
    colour: Colour = "rgb"
    border: int | Literal["scale"] = 0
    rounding: Rounding = "8-bit"
    multiple: int = 1
    ssim: Literal["channels", "blue"] = "channels"
    averaging: Averaging = "images"
    frames: Frames = "all"
    metrics: tuple[str, ...] = ("psnr", "ssim")
    note: str = ""

    def border_for(self, scale: int | None) -> int:
        """The border in pixels.

        Raises:
            SettingError: it depends on the enlargement, and that is not known.
        """
        if self.border != "scale":
            return self.border
        if scale is None:
            raise SettingError(
                f"{self.name} leaves out as many border pixels as the enlargement: say which it was (--scale 4)"
            )
        return scale

    def differences(self, other: Protocol) -> dict[str, tuple[object, object]]:
        """The settings that change numbers and differ: name -> (own value, other's)."""
        own, others = asdict(self), asdict(other)
        silent = {"name", "title", "source", "metrics", "note"}
        return {key: (own[key], others[key]) for key in own if key not in silent and own[key] != others[key]}

    def describe(self) -> str:
        """One line with every setting, for under a table."""
        border = "as many border pixels as the scale left out" if self.border == "scale" else f"border {self.border}"
        parts = [
            "Y of BT.601 (unrounded)" if self.colour == "y" else "RGB",
            border,
            "rounded to 8 bits" if self.rounding == "8-bit" else "not rounded",
        ]
        if self.ssim == "blue":
            parts.append("SSIM of the blue channel")
        if self.multiple > 1:
            parts.append(f"cut to multiples of {self.multiple}")
        if self.frames == "middle":
            parts.append("the middle frame of each clip")
        parts.append("mean over clips of the mean over frames" if self.averaging == "clips" else "mean over pictures")
        return f"{self.name}: {', '.join(parts)}. {self.title}"


_ALL = (
    Protocol(
        name="sr-y",
        title="Super-resolution on luma, as most papers report it.",
        source="Set5, Set14, BSD100, Urban100 and Manga109 tables since SRCNN; A2N's test script.",
        colour="y",
        border="scale",
        note="MATLAB's own conversion of uint8 rounds Y, which lowers PSNR by 0.02 to 0.08 dB; this one does not.",
    ),
    Protocol(
        name="sr-rgb",
        title="Super-resolution on colour, SSIM over the three channels.",
        source="BasicSR's tables.",
        border="scale",
    ),
    Protocol(
        name="mmediting-rgb",
        title="Super-resolution tables of mmediting: PSNR on colour, SSIM on blue alone.",
        source="mmediting 0.16.1, whose SSIM of a cropped colour picture takes the first channel in memory only.",
        border="scale",
        ssim="blue",
        note="Use it to reproduce those tables, not to compare methods.",
    ),
    Protocol(
        name="real-esrgan",
        title="Colour, nothing cropped.",
        source="Real-ESRGAN's row in mmediting.",
    ),
    Protocol(
        name="cufed",
        title="Reference-based super-resolution x4.",
        source="TTSR in mmediting: RGB, 4 border pixels, SSIM on blue alone.",
        border=4,
        ssim="blue",
    ),
    Protocol(
        name="liif-rgb",
        title="LIIF's tables: 4 border pixels at every scale, SSIM on blue alone.",
        source="LIIF in mmediting, whose configuration crops 4 for every scale.",
        border=4,
        ssim="blue",
    ),
    Protocol(
        name="dic-rgb",
        title="Faces x8: 8 border pixels, SSIM on blue alone.",
        source="DIC in mmediting (CelebA-HQ).",
        border=8,
        ssim="blue",
    ),
    Protocol(
        name="ntire21-space",
        title="Learning the super-resolution space, one sample at a time.",
        source="NTIRE 2021 and 2022 challenge (measure.py): ground truth cut to multiples of 8, LPIPS alex 0.1.",
        multiple=8,
        metrics=("lpips-alex-map", "psnr"),
        note="The whole protocol with diversity and LR-PSNR is finesight space score.",
    ),
    Protocol(
        name="vimeo-t",
        title="Vimeo-90K-T: luma of the fourth of seven frames.",
        source="EDVR, BasicVSR and its successors.",
        colour="y",
        frames="middle",
    ),
    Protocol(
        name="videolq",
        title="VideoLQ: frames without reference; the published table takes frames 0, 50 and 99 of each clip.",
        source="RealBasicVSR in mmediting.",
        colour="y",
        averaging="clips",
        metrics=("niqe", "brisque"),
        note="Put only those three frames of each clip into the folder to repeat the table.",
    ),
    Protocol(
        name="reds4",
        title="REDS4: clips 000, 011, 015, 020 of REDS in colour.",
        source="EDVR, BasicVSR and its successors.",
        averaging="clips",
    ),
    Protocol(
        name="vid4-y",
        title="Vid4, UDM10 and the like on luma.",
        source="BasicVSR and its successors in mmediting.",
        colour="y",
        averaging="clips",
    ),
    Protocol(
        name="tdan",
        title="Vid4 and SPMCS-30 on luma, 8 border pixels left out.",
        source="TDAN in mmediting.",
        colour="y",
        border=8,
        averaging="clips",
    ),
    Protocol(
        name="toflow-vid4",
        title="Vid4 in colour, nothing left out.",
        source="TOFlow in mmediting.",
        averaging="clips",
    ),
    Protocol(
        name="aim20-x16",
        title="Extreme video super-resolution x16: colour, the truth cut to multiples of 16.",
        source="AIM 2020 challenge (arXiv 2009.06290), track 1; the frames it scored are not published.",
        multiple=16,
        averaging="clips",
        note="1080 lines become 1072 before they are reduced. Track 2 was judged by people; see lpips-alex, tof.",
    ),
    Protocol(
        name="interpolation",
        title="Frame interpolation: colour, nothing left out, every frame counts the same.",
        source="CAIN, TOFlow and FLAVR in mmediting (Vimeo-90K).",
    ),
    Protocol(
        name="inpaint-places",
        title="Inpainting: the whole completed picture in colour.",
        source="Global-local, partial convolutions, DeepFill in mmediting (Places, CelebA-HQ).",
        metrics=("psnr", "ssim", "l1-hole"),
        note="l1-hole is the mean absolute difference inside the hole in [0, 1]; the tables print other units.",
    ),
    Protocol(
        name="comp1k",
        title="Matting on Composition-1k: mean over pictures, whole pictures.",
        source="DIM's evaluation as mmediting repeats it.",
        metrics=("sad", "alpha-mse", "grad", "conn"),
        note="Pictures are alphas; masks are the trimaps that come with the test set.",
    ),
    Protocol(
        name="hggt-multi",
        title="Mean over the versions that people voted positive.",
        source="HGGT (CVPR 2023), Test-100.",
        border=4,
        metrics=("psnr", "ssim", "lpips-alex", "dists"),
        note="Several references a picture: finesight judge references.",
    ),
    Protocol(
        name="plain",
        title="Pictures as they are: colour, nothing left out, not rounded.",
        source="finesight",
        rounding="none",
    ),
)

PROTOCOLS: Mapping[str, Protocol] = MappingProxyType({one.name: one for one in _ALL})
"""Every protocol by its name."""


def protocol(name: str) -> Protocol:
    """A protocol by its name in ``PROTOCOLS``.

    Raises:
        SettingError: there is none of that name; the nearest names are given.
    """
    if name not in PROTOCOLS:
        hint = nearest(name, PROTOCOLS) or f"There are {', '.join(PROTOCOLS)}."
        raise SettingError(f"'{name}' is not a protocol. {hint}")
    return PROTOCOLS[name]
