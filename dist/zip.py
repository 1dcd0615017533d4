"""Writes a folder into a zip whose bytes depend on nothing else: zip.py PARENT FOLDER FILE."""

import os
import pathlib
import sys
import time
import zipfile

parent, folder, file = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3]
date = time.gmtime(int(os.environ["SOURCE_DATE_EPOCH"]))[:6]
with zipfile.ZipFile(file, "w") as archive:
    for path in sorted(path for path in (parent / folder).rglob("*") if path.is_file()):
        entry = zipfile.ZipInfo(path.relative_to(parent).as_posix(), date)
        entry.compress_type = zipfile.ZIP_DEFLATED
        entry.create_system = 3
        entry.external_attr = path.stat().st_mode << 16
        archive.writestr(entry, path.read_bytes(), compresslevel=9)
