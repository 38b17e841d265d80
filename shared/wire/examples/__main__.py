"""`python -m shared.wire.examples`: writes what examples decode to, the bytes of the newest version, and the frames.

To be run when a format gets a new version, and never to make a test pass: a changed example is a changed format.
"""

from shared.wire.examples import FOLDER, FORMATS, enriched, frames, path, shown
from shared.wire.versions import NEW, OLD

if __name__ == "__main__":
    for name, form in FORMATS.items():
        content = enriched(name, form.decode(path(name, OLD).read_bytes()))
        path(name, NEW).write_bytes(form.encode(content, NEW))
        for version in (OLD, NEW):
            path(name, version, "json").write_bytes(shown(form.decode(path(name, version).read_bytes())))
    (FOLDER / "frames.json").write_bytes(frames())
