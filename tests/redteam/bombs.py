"""Documents that harm what reads them: small to store, and endless or huge to read. Each is (name of the file, its bytes)."""

from __future__ import annotations

import io
import zipfile


def packed(**members: str) -> bytes:
    """A ZIP file; `__` in a name stands for `/`, and all names end in `.xml`."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/") + ".xml", content)
    return out.getvalue()


def pages(count: int, stream: bytes) -> bytes:
    """A PDF of COUNT pages that all show one packed STREAM."""
    import zlib

    data = zlib.compress(stream, 9)
    kids = " ".join(f"{n} 0 R" for n in range(4, 4 + count))
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        f"<</Type/Pages/Kids[{kids}]/Count {count}>>".encode(),
        f"<</Length {len(data)}/Filter/FlateDecode>>stream\n".encode() + data + b"\nendstream",
        *[b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Resources<<>>/Contents 3 0 R>>"] * count,
    ]
    out, places = bytearray(b"%PDF-1.4\n"), []
    for number, content in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    return bytes(out + b"trailer<</Root 1 0 R/Size %d>>\nstartxref\n%d\n%%%%EOF" % (len(objects) + 1, start))


def document(body: str) -> bytes:
    """A Word document with BODY in it."""
    from docx import Document

    made, out = io.BytesIO(), io.BytesIO()
    Document().save(made)
    with zipfile.ZipFile(made) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in source.namelist():
            data = source.read(name)
            if name == "word/document.xml":
                data = data.replace(b"<w:body>", b"<w:body>" + body.encode())
            archive.writestr(name, data)
    return out.getvalue()


def entries(count: int) -> bytes:
    """A ZIP file of COUNT empty entries."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for number in range(count):
            archive.writestr(f"{number}", b"")
    return out.getvalue()


def bombs() -> dict[str, bytes]:
    return {
        "tags.html": b"<a " * 200_000,
        "comments.html": b"<!--" * 200_000,
        "to.eml": b"From: a@b.c\nTo: " + b"a@b.c, " * 200_000 + b"\n\nhello",
        "paragraphs.pptx": packed(ppt__slides__slide1="<a:p>" * 400_000),
        "brackets.odt": packed(content="<text:p>" + "<" * 2_000_000 + "</text:p>"),
        "pages.pdf": pages(2000, b"BT (x) Tj ET q Q " * 200_000),
        "nodes.docx": document("<w:p/>" * 20_000_000),
        "entries.zip": entries(150_000),
    }
