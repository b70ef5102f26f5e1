"""How to teach training a new kind of data.

A recipe's ``data`` is one of several settings classes, told apart by its key ``kind``. A new kind takes three pieces:

1. A *source*, in ``finesight/data/<kind>.py`` (data may not import train). Any class with the two methods of
   ``finesight.data.batch.Source``: ``batch(step, size) -> Batch`` and ``validation() -> Iterable[Batch]``. All its
   chance comes from ``chance(seed, step)``: nothing is carried from step to step, so a resumed run is exact, and worker
   processes (spawned: the source is pickled) may compute steps ahead in any number.

2. Its *settings*, in ``finesight/train/settings/<kind>.py``::

       class ClipsSettings(DataKind):                      # DataKind brings ``batch`` and refuses unknown keys
           kind: Literal["clips"] = "clips"
           folder: str = Field(description="...")
           frames: PositiveInt = 15

           def source(self, traits: Traits, *, seed: int) -> Source:
               from finesight.data.clips import ClipSource      # imported here: settings stay light
               if traits.kind != "recurrent":
                   raise SettingError("data.kind clips needs a network of clips, ...")
               return ClipSource(Path(self.folder).expanduser(), scale=traits.scale or 1, ..., seed=seed)

   ``traits`` are those of the network in training. This is where a source learns the scale and the frames, and where it
   refuses a network whose ports it cannot feed (``SettingError``: wanted, found, what to do).

3. One line in the union of ``finesight/train/settings/data.py``: ``| Annotated[ClipsSettings, Tag("clips")]``.

The loop calls ``network(*batch.inputs)`` (``finesight.train.answers`` holds the few exceptions; add yours there) and
gives the answer and the batch to the losses of the recipe. ``batch.weight`` multiplies pixel losses; ``batch.others``
feeds losses of your own, which are added in the same way: a class with ``kind``, ``weight`` and ``term(device)`` in
``finesight/train/settings/<kind>_losses.py``, made of ``loss_kind.py``, and one member in the union ``Loss`` of
``losses.py``. Validation
measures PSNR between the last answer, clamped to [0, 1], and ``target``; another measure is one line in
``finesight.train.validation.METRICS`` and ``validation: {metric: NAME}`` in the recipe.
"""

from __future__ import annotations

from finesight.data.batch import Batch, Source, chance

__all__ = ["Batch", "Source", "chance"]
