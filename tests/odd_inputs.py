# ruff: noqa: E501 - rows of a table
"""Odd inputs as new users have them: what is there, what is typed, what must come of it. A table; the page is made of it."""

import json
import os
import shlex
import struct
import unicodedata
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from pillow_heif import register_heif_opener

from tests.conftest import CLASSES, make_photos, save_photo

register_heif_opener()
Make = Callable[[Path], object]


@dataclass(frozen=True)
class Odd:
    """One odd input.

    Attributes:
        have: what the user has, as the page says it.
        typed: what is typed after ``python -m``.
        make: makes the files in the folder where it is typed.
        says: each of these is said once; the page shows the first.
        never: none of these is said.
        works: whether the command ends with status 0; else it ends with 1 and one line.
        rest: whether a command that ends with 1 does the rest, and prints it.
        alone: a process of its own is needed, since Keras is imported.
        environment: variables; ``{here}`` is the folder.
    """

    have: str
    typed: str
    make: Make
    says: tuple[str, ...] = ()
    never: tuple[str, ...] = ()
    works: bool = False
    rest: bool = False
    alone: bool = False
    environment: dict[str, str] = field(default_factory=dict)


def photos(*classes: str, at: str = "photos", **counts: int) -> Make:
    """Images of `classes` below `at`, so many in each split; ``flat`` means without splits."""
    splits = {"" if split == "flat" else split: count for split, count in (counts or {"train": 4, "val": 2}).items()}
    return lambda here: make_photos(here / at, splits, classes or CLASSES)


def both(*makes: Make) -> Make:
    """All of `makes`, in order."""
    return lambda here: [make(here) for make in makes]


def put(path: str, content: bytes = b"x") -> Make:
    """A file below photos/."""

    def make(here: Path) -> None:
        file = here / "photos" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)

    return make


def picture(path: str, image: Image.Image, **options: object) -> Make:
    """An image below photos/train/ash/."""
    return lambda here: image.save(here / "photos" / "train" / "ash" / path, **options)  # type: ignore[arg-type]


def link(path: str, target: str) -> Make:
    """A symbolic link."""
    return lambda here: (here / path).symlink_to(target)


def folders(*paths: str) -> Make:
    """Empty folders."""
    return lambda here: [(here / path).mkdir(parents=True) for path in paths]


def loose(at: str) -> Make:
    """Images of all classes in one folder, the class in the file's name."""
    return lambda here: [save_photo(here / at / f"{name}_{i}.jpg", (9, 9, 9), i) for name in CLASSES for i in range(3)]


FILES = [f"photos/{name}/{name}_{i:02}.png" for name in CLASSES for i in range(6)]


def label(path: str) -> str:
    """The class of a file of FILES."""
    return path.split("/")[1]


def table(
    head: str = "path,label", row: Callable[[str], str] = lambda path: f"{path},{label(path)}", *,
    end: str = "\n", encoding: str = "utf-8", name: str = "m.csv", before: str = "", after: str = "",
) -> Make:  # fmt: skip
    """A manifest of FILES, and those files."""
    text = before + head + end + "".join(row(path) + end for path in FILES) + after

    def make(here: Path) -> None:
        make_photos(here / "photos", {"": 6})
        (here / name).write_bytes(text.encode(encoding))

    return make


def swapped(old: str, new: str) -> Make:
    """The plain manifest with `new` in place of `old`."""

    def make(here: Path) -> None:
        table()(here)
        text = (here / "m.csv").read_text()
        assert old in text
        (here / "m.csv").write_text(text.replace(old, new))

    return make


def text_file(name: str, content: str | bytes) -> Make:
    """A file where the command is typed."""
    return lambda here: (here / name).write_bytes(content.encode() if isinstance(content, str) else content)


def truncated(here: Path) -> None:
    """A JPEG of which the end is missing."""
    path = here / "photos" / "train" / "ash" / "cut.jpg"
    Image.effect_noise((200, 200), 50).convert("RGB").save(path)
    path.write_bytes(path.read_bytes()[:900])


def animated(here: Path) -> None:
    """An animation in four formats."""
    frames = [Image.new("RGB", (40, 40), colour) for colour in ("red", "blue")]
    for name in ("a.gif", "b.webp", "c.png", "d.tiff"):
        frames[0].save(here / "photos" / "train" / "ash" / name, save_all=True, append_images=frames[1:])


def palette(here: Path) -> None:
    """A palette image with a transparent colour."""
    image = Image.new("P", (40, 40), 0)
    image.putpalette([255, 0, 0, 0, 255, 0])
    image.save(here / "photos" / "train" / "ash" / "p.png", transparency=0)


def sideways(here: Path) -> None:
    """Images that EXIF turns, as phones save them."""
    for i in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = i
        Image.new("RGB", (40, 30), "red").save(here / "photos" / "train" / "ash" / f"{i}.jpg", exif=exif)


def dark_png(here: Path) -> None:
    """A PNG of 16 bits whose values end at 4,095."""
    values = np.linspace(0, 4095, 1600).reshape(40, 40).astype(np.uint16)
    Image.fromarray(values).save(here / "photos" / "train" / "ash" / "deep.png")


def float_tiff(here: Path) -> None:
    """A TIFF of floating-point values."""
    Image.fromarray(np.random.default_rng(0).random((40, 40), np.float32)).save(
        here / "photos" / "train" / "ash" / "f.tif"
    )


def bomb(here: Path) -> None:
    """A PNG of a few bytes that says it is 60,000 × 60,000 px."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0))
    put("train/ash/bomb.png", b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", b"") + chunk(b"IEND", b""))(here)


def misnamed(here: Path) -> None:
    """A PNG called .jpg, a JPEG without a suffix, a HEIC called .jpeg."""
    folder = here / "photos" / "train" / "ash"
    Image.new("RGB", (40, 40), "red").save(folder / "png.jpg", format="PNG")
    Image.new("RGB", (40, 40), "blue").save(folder / "jpeg", format="JPEG")
    Image.new("RGB", (64, 64), "green").save(folder / "phone.jpeg", format="HEIF")


def no_utf8(here: Path) -> None:
    """A class whose name is Latin-1 on the disk."""
    make_photos(here / "photos", {"train": 4, "val": 2})
    for split in ("train", "val"):
        parent = os.fsencode(here / "photos" / split)
        (here / "photos" / split / "ash").rename(os.fsdecode(parent + b"/caf\xe9"))


def forms(here: Path) -> None:
    """One class, composed in train/ and decomposed in val/."""
    make_photos(here / "photos", {"train": 4}, (unicodedata.normalize("NFC", "Äsche"), "birch"))
    make_photos(here / "photos", {"val": 2}, (unicodedata.normalize("NFD", "Äsche"), "birch"))


def multi_picture(here: Path) -> None:
    """A CMYK JPEG, and one of two pictures as 3D cameras save them."""
    folder = here / "photos" / "train" / "ash"
    Image.new("CMYK", (40, 40), (10, 90, 30, 40)).save(folder / "cmyk.jpg")
    Image.new("RGB", (40, 40), "red").save(
        folder / "mpo.jpg", format="MPO", save_all=True, append_images=[Image.new("RGB", (40, 40), "blue")]
    )


def large_png(here: Path) -> None:
    """A PNG of 30,000 × 30,000 px that is whole, and a JPEG that is no more than large."""
    folder = here / "photos" / "train" / "ash"
    Image.new("1", (30_000, 30_000)).save(folder / "large.png")
    Image.new("L", (9000, 9000)).save(folder / "large.jpg")


def much_text(here: Path) -> None:
    """A PNG with 70 MB of text in 70 kB."""
    text = PngInfo()
    text.add_text("note", "a" * 70_000_000, zip=True)
    Image.new("RGB", (40, 40)).save(here / "photos" / "train" / "ash" / "text.png", pnginfo=text)


def hollow(here: Path) -> None:
    """A file of a terabyte that takes no place."""
    with (here / "photos" / "train" / "ash" / "hollow.jpg").open("wb") as file:
        file.truncate(10**12)


def deep(here: Path) -> None:
    """Folders in folders until a path is too long for the system."""
    before = Path.cwd()
    os.chdir(here / "photos" / "train" / "ash")
    for _ in range(25):
        Path("e" * 200).mkdir()
        os.chdir("e" * 200)
    os.chdir(before)


def odd_exif(here: Path) -> None:
    """EXIF that ends too soon, times of no calendar, an orientation that there is not."""
    folder, image = here / "photos" / "train" / "ash", Image.new("RGB", (40, 40), "red")
    image.save(folder / "short.jpg", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\xff" * 200)
    for k, (tag, value) in enumerate([(0x9003, "0000:00:00 00:00:00"), (0x9003, "9999:12:31 23:59:59")]):
        exif = Image.Exif()
        exif.get_ifd(0x8769)[tag] = value
        image.save(folder / f"time{k}.jpg", exif=exif)
    exif = Image.Exif()
    exif[0x0112] = 99
    image.save(folder / "turned.jpg", exif=exif)


def pipe(path: str) -> Make:
    """A named pipe, in place of what is there."""

    def make(here: Path) -> None:
        (here / path).unlink(missing_ok=True)
        os.mkfifo(here / path)

    return make


def keras_json(**settings: object) -> Make:
    """Three classes, and a keras.json."""

    def make(here: Path) -> None:
        make_photos(here / "photos", {"train": 4, "val": 2})
        (here / "keras").mkdir()
        (here / "keras" / "keras.json").write_text(json.dumps(settings))

    return make


def shell(*words: str) -> str:
    """Words as a shell takes them."""
    return shlex.join(words)


STD = photos()
T = "src.train data=folder data.root=photos"
A = "src.audit data=folder data.root=photos"
M = "src.train data=csv data.manifest=m.csv"
C = "src.audit data=csv data.manifest=m.csv"
COUNTS = "3 classes, 12 train, 6 val, 0 test"
OWN_HOME = {"KERAS_HOME": "{here}/keras"}

PATHS = [
    Odd("a folder whose name has blanks and brackets", shell("src.train", "data=folder", "data.root=my photos (2024)"),
        photos(at="my photos (2024)"), (COUNTS,), works=True),
    Odd("a folder with `=`, `,`, `'`, `[`, `{` and `$`", shell("src.train", "data=folder", "data.root=a=b,'c' [1] {x} $y"),
        photos(at="a=b,'c' [1] {x} $y"), (COUNTS,), works=True),
    Odd("a folder in another script", "src.train data=folder data.root=фото📷", photos(at="фото📷"), (COUNTS,), works=True),
    Odd("a folder whose `é` a Mac decomposed", "src.train data=folder data.root=été",
        photos(at=unicodedata.normalize("NFD", "été")), (COUNTS,), works=True),
    Odd("a folder that begins with a dash", "src.train data=folder data.root=-photos", photos(at="-photos"), (COUNTS,),
        works=True),
    Odd("a folder in the home folder", "src.train data=folder data.root=~/photos", STD, (COUNTS,), works=True,
        environment={"HOME": "{here}"}),
    Odd("another letter case", "src.train data=folder data.root=Photos", STD, ("no such folder in ", "did you mean 'photos'?")),
    Odd("a folder that is not there", "src.train data=folder data.root=/nowhere/photos", STD, ("data.root=/nowhere/photos: no such folder",)),
    Odd("an archive", "src.train data=folder data.root=photos.zip", text_file("photos.zip", b"PK\x03\x04"),
        ("is an archive, not a folder: unpack it",)),
    Odd("a table, typed as a folder", "src.train data=folder data.root=m.csv", table(),
        ("is a file, not a folder: for a table of images give data=csv data.manifest=m.csv",)),
    Odd("a folder, typed as a table", "src.train data=csv data.manifest=photos", STD,
        ("is a folder, not a file; for a folder of images give data=folder data.root=photos",)),
    Odd("a link to a folder", T, both(photos(at="real"), link("photos", "real")), (COUNTS,), works=True),
    Odd("a link that leads to itself", T, link("photos", "photos"), ("data.root=photos: is a link that leads to no folder",)),
    Odd("`data.root` without `data=folder`", "src.train data.root=photos", STD, ("it goes with data=folder",)),
    Odd("the folder's name as the kind of data", "src.train data=photos", STD,
        ("unknown data 'photos': known: csv, folder, trees, trees_full; for images of your own: data=folder data.root=photos",)),
    Odd("a folder as the only word", "src.train photos", STD,
        ("cannot read 'photos': for the images in a folder type data=folder data.root=photos",)),
    Odd("blanks around the `=`", "src.train data=folder data.root = photos", STD,
        ("a setting is KEY=VALUE, without blanks around the =",)),
    Odd("settings with dashes", "src.train --data folder", STD, ("unknown option --data: settings have no dashes",)),
]  # fmt: skip

LAYOUTS = [
    Odd("one split alone, the others beside it", "src.train data=folder data.root=photos/train", STD,
        ("photos/train is read as a whole data set; to use val/ beside it, give data.root=photos", "6 train, 3 val, 3 test"),
        works=True),
    Odd("one class alone", "src.train data=folder data.root=photos/train/ash", STD,
        ("4 loose images (ash_00.png, and 3 more) and no class folders",)),
    Odd("loose images, the class in the name", T, loose("photos"), ("9 loose images (ash_0.jpg, and 8 more)",)),
    Odd("loose images in `images/`", T, loose("photos/images"),
        ("found one class (images); two or more are needed; put the images of each class into a folder of its own",)),
    Odd("an empty folder", T, folders("photos"), ("no photos; expected photos/train/CLASS/*.jpg or CLASS/*.jpg",)),
    Odd("empty class folders", T, folders("photos/ash", "photos/birch"), ("no photos; expected",)),
    Odd("one empty class folder", T, both(photos(flat=6), folders("photos/yew")), ("empty, so it plays no part: yew/",), works=True),
    Odd("an empty class in `train/`", T, both(STD, folders("photos/train/yew")),
        ("photos/train/yew/ is empty: put photos there, or remove it",)),
    Odd("`val/` without `train/`", T, photos(val=4), ("has val/ but no train/: call the folder with the training images train/",)),
    Odd("`val/` and `valid/`", T, photos(train=4, val=2, valid=1), ("photos has both val/ and valid/: keep one",)),
    Odd("a class in `test/` that train lacks", T, both(STD, photos("ash", "yew", test=2)),
        ("test has classes that train lacks: yew; remove them, or add such images to train",)),
    Odd("two images a class", T, photos(flat=2), ("too few photos (or groups) to hold out a test part",)),
    Odd("train/ and test/ alone", T, photos(train=6, test=2), ("3 classes, 14 train, 4 val, 6 test",), works=True),
    Odd("classes called `1`, `2`, `null` and `true`", T, photos("1", "2", "null", "true"), ("4 classes, 16 train, 8 val",), works=True),
    Odd("an unpacked archive of a Mac", T, both(photos(at="photos/photos"), put("__MACOSX/photos/train/ash/._a.png"),
        put(".DS_Store")), ("the class folders are below photos/", COUNTS), works=True),
    Odd("what Windows and cameras leave", T, both(STD, put("train/ash/Thumbs.db"), put("train/ash/desktop.ini"),
        put("train/ash/._ash.jpg"), put("train/ash/.hidden/a.jpg"), put("train/ash/@eaDir/a.jpg")),
        ("skipped: not images: 1 .db, 1 .ini", COUNTS), ("no image",), works=True),
    Odd("what phones and editors leave beside images", T, both(STD, *(put(f"train/{name}/a{end}") for end in (".xmp", ".aae",
        ".json") for name in ("ash", "birch")), put("val/ash/.DS_Store"), put("train/ash/live.MOV")),
        ("skipped: not images: 2 .aae, 2 .json, 2 .xmp, 1 .DS_Store, 1 .mov", COUNTS), works=True),
    Odd("links in circles", T, both(STD, link("photos/train/ash/up", ".."), link("photos/train/ash/loop", "loop")),
        ("no files (links to nothing or back, pipes), so they play no part: train/ash/loop, train/ash/up", COUNTS), works=True),
]  # fmt: skip

NAMES = [
    Odd("right-to-left names, emoji, a line break", T, photos("אלון", "🌲", "new\nline"), (COUNTS,), ("new\nline",), works=True),
    Odd("names that a shell, a spreadsheet or a page would run", T, photos("=cmd", "-v $HOME", "<b>x</b>", "100% {y}"),
        ("4 classes, 16 train",), works=True),
    Odd("blanks around a name in one split", T, both(photos("ash ", "birch", train=4), photos("ash", "birch", val=2)),
        ("val: class 'ash' is taken as train's 'ash '",), works=True),
    Odd("names of 200 letters", T, photos("a" * 200, "b" * 200), ("2 classes, 8 train",), works=True),
    Odd("a name that is no UTF-8", A, no_utf8, ("audit.html: ",), works=True),
    Odd("`Ä` composed in train/, decomposed in val/", T, forms, ("2 classes, 8 train, 4 val",), ("warning",), works=True),
    Odd("`ash` and `Ash`", T, photos("ash", "Ash"), ("classes 'Ash' and 'ash' differ in letter case or blanks alone",), works=True),
]  # fmt: skip

IMAGES = [
    Odd("an empty file", T, both(STD, put("train/ash/zero.jpg", b"")),
        ("1 of 19 files are no image: train/ash/zero.jpg (an empty file (0 bytes))", COUNTS), works=True),
    Odd("a truncated JPEG", T, both(STD, truncated), ("train/ash/cut.jpg (image file is truncated", COUNTS), works=True),
    Odd("a film, a PDF and a text beside the images", T, both(STD, put("train/ash/a.mp4", b"\0\0\0 ftypmp42"),
        put("train/ash/b.pdf", b"%PDF-1.4"), put("train/ash/c.txt")),
        ("skipped: not images: 1 .mp4, 1 .pdf, 1 .txt", COUNTS), works=True),
    Odd("three files that are called like images and are none", T, both(STD, *(put(f"train/ash/{name}.jpg") for name in "abc")),
        ("3 of 21 files are no image: train/ash/a.jpg (of no image format that is read here)", "raise data.max_unreadable (0.05)")),
    Odd("an image of 60,000 × 60,000 px in a few bytes", T, both(STD, bomb),
        ("train/ash/bomb.png (Image size (3600000000 pixels) exceeds limit", COUNTS), works=True),
    Odd("an image of one pixel, and one of 3,000 × 1", T, both(STD, picture("one.png", Image.new("RGB", (1, 1))),
        picture("wide.png", Image.new("RGB", (3000, 1)))), ("3 classes, 14 train, 6 val",), works=True),
    Odd("CMYK, black and white, grey with alpha", T, both(STD, picture("cmyk.jpg", Image.new("CMYK", (40, 40))),
        picture("bits.png", Image.new("1", (40, 40))), picture("la.png", Image.new("LA", (40, 40)))),
        ("3 classes, 15 train, 6 val",), ("warning",), works=True),
    Odd("animated GIF, WebP, PNG and TIFF", T, both(STD, animated), ("3 classes, 16 train, 6 val",), works=True),
    Odd("a palette with a transparent colour", T, both(STD, palette), ("3 classes, 13 train, 6 val",), ("warning",), works=True),
    Odd("all eight EXIF orientations", T, both(STD, sideways), ("3 classes, 20 train, 6 val",), works=True),
    Odd("wrong suffixes, or none", T, both(STD, misnamed), ("3 classes, 15 train, 6 val",), ("no image",), works=True),
    Odd("HEIC and AVIF", T, both(STD, picture("a.heic", Image.new("RGB", (64, 64)), format="HEIF"),
        picture("b.avif", Image.new("RGB", (64, 64)))), ("3 classes, 14 train, 6 val",), ("no image",), works=True),
    Odd("a 16-bit PNG with 12 bits used", T, both(STD, dark_png),
        ("16-bit values up to 4095, and the file does not say which is white: give data.bit_depth=12", COUNTS), works=True),
    Odd("a TIFF of floating-point values", T, both(STD, float_tiff), ("floating-point pixels have no agreed range", COUNTS), works=True),
]  # fmt: skip

TABLES = [
    Odd("a table without a first line of names", M, table(f"{FILES[0]},ash"),
        ("its first line is an image's",)),
    Odd("an empty table", M, text_file("m.csv", ""), ("its first line must name path,label[,split][,group]; it says nothing",)),
    Odd("names of columns and no rows", M, text_file("m.csv", "path,label\n"), ("no rows below its first line",)),
    Odd("a spreadsheet", "src.train data=csv data.manifest=m.xlsx", table(name="m.xlsx"),
        ("m.xlsx: is no CSV file; save the table as CSV UTF-8",)),
    Odd("a table in Latin-1", M, table(row=lambda p: f"{p},{label(p)} é", encoding="latin-1"), ("not UTF-8 text; save it as CSV UTF-8",)),
    Odd("UTF-16 with tabs, as Excel's Unicode text", M, table("path\tlabel", lambda p: f"{p}\t{label(p)}", encoding="utf-16"),
        ("3 classes",), works=True),
    Odd("`sep=;` in the first line", M, table("path;label", lambda p: f"{p};{label(p)}", before="sep=;\n"), ("3 classes",), works=True),
    Odd("Windows' line ends and separators of folders", M, table(row=lambda p: p.replace("/", "\\") + f",{label(p)}", end="\r\n"),
        ("3 classes",), works=True),
    Odd("blanks, quotes, empty rows", M, table(row=lambda p: f'\n"{p}", "{label(p)}"\n,' if p == FILES[4] else f'"{p}"," {label(p)}"' ),
        ("3 classes",), works=True),
    Odd("a quote that does not end", M, swapped("ash_01.png,ash", 'ash_01.png,"ash" x'), ("line 3: ", "mend its quotes")),
    Odd("files in another letter case", M, table(row=lambda p: f"{p.upper()},{label(p)}"),
        ("no such file 'PHOTOS/ASH/ASH_00.PNG'; did you mean 'photos/ash/ash_00.png'? (and 17 more of 18 rows)",)),
    Odd("paths of another machine", M, table(row=lambda p: f"/home/ann/{p},{label(p)}"),
        ("line 2: no such file '/home/ann/photos/ash/ash_00.png': name files relative to the manifest",)),
    Odd("addresses on the web", M, table(row=lambda p: f"https://x.org/{p},{label(p)}"), ("files are read, not addresses",)),
    Odd("names without a suffix", M, table(row=lambda p: f"{p[:-4]},{label(p)}"), ("ash_00.png is there: give data.extension=.png",)),
    Odd("`data.image_folder` that the paths have already", M + " data.image_folder=photos", table(),
        ("but it is beside the manifest: leave data.image_folder out",)),
    Odd("one image with two labels", M, swapped("ash_01.png,ash", "ash_00.png,birch"),
        ("'photos/ash/ash_00.png' is named twice, as 'ash' and as 'birch'; remove one of the rows",)),
    Odd("a row without a label", M, swapped("ash_00.png,ash", "ash_00.png,"), ("m.csv line 2: no label",)),
    Odd("a split of another name", M, table("path,label,split", lambda p: f"{p},{label(p)},fold1"),
        ("split 'fold1' is none of train, val, test; rename or remove it",)),
    Odd("a split in some rows", M, table("path,label,split", lambda p: f"{p},{label(p)},{'train' if '_0' in p and 'ash' in p else ''}"),
        ("12 of 18 rows have no split; fill it in, or leave the column out",)),
    Odd("a column of numbers as the label", M, table("path,label,price", lambda p: f"{p},{zlib.crc32(p.encode())},3"),
        ("(18 classes of 18 images: are these classes?)",)),
    Odd("one-hot columns, and a row without a 1", M, table("image,ash,birch,cedar",
        lambda p: f"{p}," + ",".join(str(int(c == label(p) and p != FILES[3])) for c in CLASSES)),
        ("m.csv line 5: 0 of the columns ash, birch, cedar are 1; exactly one must be",)),
    Odd("Kaggle's names of columns", M, table("image_id,breed,width", lambda p: f"{p},{label(p)},3"),
        ("takes path from 'image_id', label from 'breed'", "columns that are not used: width"), works=True),
    Odd("`data.label_columns` with one name", M + " data.label_columns=ash", table(),
        ("data.label_columns=ash: input should be a valid list, in brackets: data.label_columns=[A,B]",)),
    Odd("a table's name with a letter too many", "src.train data=csv data.manifest=mm.csv", table(), ("No such file in ", "did you mean 'm.csv'?")),
]  # fmt: skip

SETTINGS = [
    Odd("a short name", "src.train fine_tune_lr=0.1", STD, ("unknown key 'fine_tune_lr': did you mean 'fine_tune_learning_rate'?",)),
    Odd("a key without its group", "src.train root=photos", STD, ("unknown key 'root': did you mean 'data.root'?",)),
    Odd("several values without `-m`", "src.train unfrozen=0,2,11", STD,
        ("unfrozen=0,2,11 names several values: add -m to train a trial for each",)),
    Odd("a decimal comma", "src.train learning_rate=0,001", STD, ("a decimal has a point (0.001)",)),
    Odd("`null` for a group", "src.train weights=null", STD, ("weights is one of a list; known: file, formula, imagenet, random",)),
    Odd("`true` for a choice", "src.train class_weights=true", STD, ("class_weights=true: neither true nor false is meant there",)),
    Odd("a percentage", "src.train dropout=50%", STD, ("dropout=50%: input should be a valid number",)),
    Odd("not a number", "src.train learning_rate=nan", STD, ("learning_rate=nan: input should be a finite number",)),
    Odd("a negative seed", "src.train seed=-1", STD, ("seed=-1: input should be greater than or equal to 0",)),
    Odd("a list for a number", shell("src.train", "batch_size=[32]"), STD, ("batch_size=[32]: input should be a valid integer",)),
    Odd("a backbone with a dash", "src.train backbone=ResNet-50", STD, ("unknown backbone 'ResNet-50': did you mean 'resnet50'?",)),
    Odd("a backbone that is no CNN of Keras'", "src.train backbone=vit", STD, ("unknown backbone 'vit': known: ",)),
    Odd("a block that is not there", T + " unfrozen=block_99", STD, ("lenet5 has no block 'block_99': did you mean",)),
    Odd("more layers than there are", T + " unfrozen=999", STD, ("unfrozen=999: lenet5 has 6 layers",)),
    Odd("ImageNet weights of LeNet-5", T + " weights=imagenet", STD, ("lenet5 has no ImageNet weights",)),
    Odd("a width that a backbone does not have", T + " weights=random weights.alpha=0.5", STD, ("lenet5 has no width multiplier",)),
    Odd("weights that are a text", T + " weights=file weights.path=w.h5", both(STD, text_file("w.h5", "hello")),
        ("weights.path=w.h5: damaged or not a Keras file",)),
    Odd("weights that are not there", T + " weights=file weights.path=w.weights.h5", both(STD, text_file("v.weights.h5", "")),
        ("No such file in ", "did you mean 'v.weights.h5'?")),
    Odd("an objective by a short name", "src.train objective=f1", STD, ("objective=f1: input should be 'accuracy', 'balanced_accuracy' or 'macro_f1'",)),
    Odd("a regular expression as it is", T + r" data.group_pattern='^(.*)_\d+\.png$'", photos(flat=6), ("too few photos (or groups)",)),
    Odd("`schedule=head_only unfrozen=3`", T + " schedule=head_only unfrozen=3", STD, ("unfrozen=3 changes nothing",), works=True),
    Odd("`hydra.job.chdir=true` with a relative folder", T + " hydra.job.chdir=true", STD, (COUNTS,), works=True),
    Odd("options after settings", T + " --cfg job seed=3", STD, ("seed: 3",), works=True),
]  # fmt: skip

AUDITS = [
    Odd("an audit of images, films, texts and thumbnails", A, both(STD, put("train/ash/a.jpg"), put("notes.txt"), put("train/ash/a.mp4"),
        put("train/ash/@eaDir/a.jpg"), put(".thumbnails/a.jpg")),
        ("1 file is no image: train/ash/a.jpg.", "4 files play no part: ", "1 in a system's folder (@eaDir)", "1 not an image (.mp4)"),
        works=True),
    Odd("an audit of one class", A, photos("ash"), ("found one class (ash); two or more are needed",)),
    Odd("an audit as a sweep", A + " -m seed=0,1", STD, ("leave -m out",)),
    Odd("a class that is a link to another", A, both(photos(flat=6), link("photos/yew", "ash")),
        ("photos: ash/ash_00.png and yew/ash_00.png are one file in two classes; remove one of the links",)),
    Odd("a class that is a link to a folder above", A, both(STD, link("photos/train/self", "../train")),
        ("train/ash/ash_00.png and train/self/ash/ash_00.png are one file in two classes",)),
    Odd("a class that is a link to itself", A, both(photos(flat=6), link("photos/yew", "yew")),
        ("a link that leads nowhere, so it plays no part: yew",), works=True),
    Odd("empty files alone", A, both(*(put(f"{name}/{i}.jpg", b"") for name in ("ash", "birch") for i in range(5))),
        ("photos: none of 10 files is an image; ash/0.jpg: an empty file (0 bytes)",)),
    Odd("files alone that are called otherwise than images", A, both(put("ash/a.txt"), put("birch/b.xmp")),
        ("no photos; expected photos/train/CLASS/*.jpg or CLASS/*.jpg",)),
    Odd("a pipe beside the images", A, both(STD, pipe("photos/train/ash/pipe.jpg")),
        ("no files (links to nothing or back, pipes), so they play no part: train/ash/pipe.jpg", "1 no file (a pipe"), works=True),
    Odd("a pipe for a folder", A, pipe("photos"), ("data.root=photos: is a pipe or a device, not a folder",)),
    Odd("a pipe for a table", C, pipe("m.csv"), ("data.manifest=m.csv: is a pipe or a device, not a file",)),
    Odd("a table that names a pipe", C, both(table(), pipe("photos/ash/ash_00.png")),
        ("m.csv line 2: no such file 'photos/ash/ash_00.png': what is there is a folder, a pipe or a device",)),
    Odd("pipes for weights", A + " weights=file weights.path=w.weights.h5", both(STD, pipe("w.weights.h5")),
        ("weights.path=w.weights.h5: is a pipe or a device, not a file",)),
    Odd("two images a class, audited", A, photos(flat=2), ("too few photos (or groups) to hold out a test part",)),
    Odd("an archive, audited", "src.audit data=folder data.root=photos.zip", text_file("photos.zip", b"PK\x03\x04"),
        ("is an archive, not a folder: unpack it",)),
    Odd("paths that are too long", A, both(STD, deep), ("File name too long; make it readable, or move it away",)),
    Odd("names with a line break, emoji and marks of direction, audited", A, photos("אלון\u202e", "🌲", "new\nline"),
        ("audit.html: ",), ("new\nline", "\u202e"), works=True),
    Odd("`ash` and `Ash`, audited", A, photos("ash", "Ash"),
        ("classes 'Ash' and 'ash' differ in letter case or blanks alone; they are kept apart",), works=True),
    Odd("an image of 900 million px, audited", A, both(STD, large_png), ("1 file is no image: train/ash/large.png.",), works=True),
    Odd("a few kB that hold 70 MB of text", A, both(STD, much_text), ("1 file is no image: train/ash/text.png.",), works=True),
    Odd("an empty file of a terabyte", A, both(STD, hollow), ("1 file is no image: train/ash/hollow.jpg.",), works=True),
    Odd("raw images and drawings", A, both(STD, *(put(f"train/ash/a.{end}") for end in ("cr2", "dng", "svg"))),
        ("3 files are no images: train/ash/a.cr2, train/ash/a.dng, train/ash/a.svg.",), works=True),
    Odd("CMYK, and two pictures in a JPEG, audited", A, both(STD, multi_picture), ("19 RGB, 1 CMYK; all become RGB",), works=True),
    Odd("animations, audited", A, both(STD, animated), ("21 RGB, 1 palette; all become RGB",), works=True),
    Odd("wrong suffixes, or none, audited", A, both(STD, misnamed), ("audit.html: ",), ("no image",), works=True),
    Odd("all eight EXIF orientations, audited", A, both(STD, sideways), ("8 images form 1 group",), works=True),
    Odd("EXIF that is damaged, or of no calendar", A, both(STD, odd_exif),
        ("read, with a warning of the decoder: 1 of 22 files: train/ash/short.jpg (",), works=True),
]  # fmt: skip

OTHERS = [
    Odd("classes of which one is nine tenths", T, both(photos("ash", train=18, val=9), photos("birch", train=2, val=1)),
        ("baseline    largest class 0.900, chance 0.500",), works=True),
    Odd("a report of no study", "src.report --study mine", STD, ("--study mine: no such study; known: ",)),
    Odd("a report by an unknown metric", "src.report --study mine --objective f1", STD, ("--objective f1: ",)),
    Odd("a keras.json with channels first", T + " force=true", keras_json(image_data_format="channels_first"),
        ("not used: image_data_format=channels_first in ", COUNTS), works=True, alone=True, environment=OWN_HOME),
    Odd("a keras.json that Keras refuses", T + " force=true", keras_json(floatx="float12"), ("mend or remove it",), alone=True, environment=OWN_HOME),
    Odd("a keras.json that is no JSON", T + " force=true", both(STD, folders("keras"), text_file("keras/keras.json", "{")), (COUNTS,),
        works=True, alone=True, environment=OWN_HOME),
]  # fmt: skip

_MODELS: dict[str, bytes] = {}


def model(name: str, last: int | None = None) -> Make:
    """A classifier of CLASSES as `name`, of which all bytes up to `last` are there; "code.keras" has a Lambda layer."""

    def make(here: Path) -> None:
        if not _MODELS:
            from tests.inference.test_classifier import network, save, with_code

            save(here)
            network().save(here / "bare.keras")
            with_code(here / "code.keras", here / "ran")
            _MODELS.update({path.name: path.read_bytes() for path in here.glob("*.keras")})
            for path in here.glob("*.keras"):
                path.unlink()
        (here / name).write_bytes(_MODELS[name][:last])

    return make


def several_formats(here: Path) -> None:
    """A photo in all formats that phones and scanners save."""
    folder = here / "photos" / "train" / "ash"
    photo = Image.open(folder / "ash_00.png")
    photo.save(folder / "phone.heic", format="HEIF")
    photo.save(folder / "web.avif")
    photo.convert("CMYK").save(folder / "print.jpg")
    photo.convert("P").save(folder / "old.gif")


ODD_NAMES = "my photos (2) [a]*?"
KNOWN = model("model.keras")
P = "src.predict --model model.keras"

PREDICTIONS = [
    Odd("a text called .jpg among images, predicted", P + " photos", both(KNOWN, STD, put("train/ash/a.jpg", b"hello")),
        ("a.jpg: of no image format that is read", "train/ash/ash_00.png", "val/cedar/cedar_00.png"), rest=True),
    Odd("a PNG of 30,000 × 30,000 px, predicted", P + " photos/train/ash", both(KNOWN, STD, large_png),
        ("large.png: Image size (900000000 pixels) exceeds limit", "large.jpg", "ash_00.png"), rest=True),
    Odd("an empty folder beside images, predicted", P + " photos/train/ash empty", both(KNOWN, STD, folders("empty")),
        ("empty: no images in this folder", "ash_00.png"), rest=True),
    Odd("an empty folder, predicted", P + " empty", both(KNOWN, folders("empty")), ("empty: no images in this folder",)),
    Odd("a file that is not there, predicted", P + " nowhere.jpg photos/train/ash", both(KNOWN, STD),
        ("nowhere.jpg: no such file", "ash_00.png"), rest=True),
    Odd("a pipe called .jpg, predicted", P + " photos/train/ash/pipe.jpg photos/train/ash/ash_00.png",
        both(KNOWN, STD, pipe("photos/train/ash/pipe.jpg")), ("pipe.jpg: a pipe or a device, not a file", "ash_00.png"), rest=True),
    Odd("a link that leads nowhere, predicted", P + " photos/train/ash", both(KNOWN, STD, link("photos/train/ash/gone.jpg", "nowhere.jpg")),
        ("gone.jpg: a link that leads to no file", "ash_00.png"), rest=True),
    Odd("images of other classes, scored", P + " photos --score", both(KNOWN, photos("oak", "yew")),
        ("--score: no image is in a folder that is called like a class of the model: ash, birch, cedar", "train/oak/oak_00.png"), rest=True),
    Odd("a name that is too long for a file, predicted", f"{P} {'x' * 300}.jpg photos/train/ash", both(KNOWN, STD),
        ("File name too long", "ash_00.png"), rest=True),
    Odd("HEIC, AVIF, GIF and CMYK, predicted", P + " photos/train/ash", both(KNOWN, STD, several_formats),
        ("phone.heic", "web.avif", "print.jpg", "old.gif"), works=True),
    Odd("a 16-bit PNG, predicted", P + " photos/train/ash", both(KNOWN, STD, dark_png),
        ("deep.png: 16-bit values up to 4095, and the file does not say which is white", "ash_00.png"), rest=True),
    Odd("names with blanks, brackets and stars, predicted", P + " " + shell(ODD_NAMES), both(KNOWN, photos(at=ODD_NAMES, flat=1)),
        ("ash_00.png",), works=True),
    Odd("a name with a line break, predicted", P + " photos", both(KNOWN, photos("new\nline", flat=1)), ("new\\nline_00.png",),
        ("new\nline",), works=True),
    Odd("a name in Latin-1, predicted", P + " photos --csv", both(KNOWN, no_utf8), ("photos/val/caf\\udce9/ash_00.png",), works=True),
    Odd("a pattern in quotes, predicted", P + " 'photos/*/ash/*_00.png'", both(KNOWN, STD),
        ("photos/train/ash/ash_00.png", "photos/val/ash/ash_00.png"), ("ash_01.png",), works=True),
    Odd("a pattern of empty folders, predicted", P + " 'empty*'", both(KNOWN, folders("empty1", "empty2")), ("empty*: no images there",)),
    Odd("two folders with equal file names, predicted", P + " photos/val/ash photos/train/ash", both(KNOWN, STD),
        ("photos/val/ash/ash_00.png", "photos/train/ash/ash_00.png"), works=True),
    Odd("a model that holds code", "src.predict --model code.keras photos", both(model("code.keras"), STD),
        ("code.keras: holds code (a Lambda layer), which is not run",)),
    Odd("a model of which the end is missing", P + " photos", both(model("model.keras", 9000), STD),
        ("model.keras: no .keras file, or a damaged one",)),
    Odd("a text called .keras", P + " photos", both(text_file("model.keras", "hello"), STD), ("model.keras: no .keras file",)),
    Odd("a model of Keras' without its classes", "src.predict --model bare.keras photos", both(model("bare.keras"), STD),
        ("bare.keras: does not say its classes",)),
    Odd("a model that is not there", "src.predict --model modle.keras photos", STD, ("--model modle.keras: no such file",)),
    Odd("a folder of images for a model", "src.predict --model photos photos", STD, ("--model photos: no .keras file in it",)),
    Odd("a champion before any promotion", "src.predict --model champion photos", STD, ("--model champion: neither a file nor an alias of a registered model",)),
    Odd("a run that is not there", "src.explain --model runs:/0123 photos", STD, ("--model runs:/0123: ",)),
    Odd("a version that is not there", "src.explain --model models:/photos/7 photos", STD, ("--model models:/photos/7: ",)),
    Odd("a class that a model does not have", "src.explain --model model.keras --true yew photos", both(KNOWN, STD),
        ("--true yew: no class of the model",)),
    Odd("a place for a page that is a folder", P + " photos --sheet photos", both(KNOWN, STD), ("--sheet photos: is a folder; give a file, such as photos/page.html",)),
    Odd("a store that does not answer", "src.predict --model champion photos --tracking-uri http://127.0.0.1:9", STD,
        ("MLflow at http://127.0.0.1:9: it does not answer ([Errno 111] Connection refused); give --tracking-uri",)),
    Odd("a store that is not there", "src.predict --model champion photos --tracking-uri sqlite:///none.db", STD,
        ("sqlite:///none.db: no such store; train first, or give --tracking-uri",)),
    Odd("an export of a file", "src.export --model model.keras --format onnx", both(KNOWN, STD), ("give runs:/ID or an alias",)),
    Odd("a promotion of no study", "src.promote --study mine", STD, ("--study mine: no such study",)),
]  # fmt: skip

CHAPTERS = {
    "Where the images are": PATHS, "Layouts": LAYOUTS, "Names": NAMES, "Images": IMAGES, "Tables": TABLES,
    "Settings": SETTINGS, "Audits": AUDITS, "Reports, Keras' settings": OTHERS, "Models": PREDICTIONS,
}  # fmt: skip
ODD = {odd.have: odd for chapter in CHAPTERS.values() for odd in chapter}

_HEAD = """# Odd inputs, and what comes of them

What people have in their folders and tables, what is typed, and what Thaw does: it works, or it ends with one line,
exit status 1, and nothing written. A test types each of them (`tests/test_odd_inputs.py`); the words in the last
column are from the line that is said. [Your data](data.md) has the rules behind it.
"""


def page() -> str:
    """Return docs/odd_inputs.md."""
    parts = [_HEAD]
    for title, chapter in CHAPTERS.items():
        rows = "".join(f"| {_cell(odd.have)} | {_code(odd.typed)} | {_outcome(odd)} |\n" for odd in chapter)
        parts.append(
            f"\n## {title}\n\n| you have | typed after `python -m` | what comes of it |\n|---|---|---|\n{rows}"
        )
    return "".join(parts)


def _outcome(odd: Odd) -> str:
    said = "" if not odd.says or odd.says[0] == COUNTS else f": {_code(odd.says[0])}"
    return ("works" if odd.works else "refused, the rest is done" if odd.rest else "refused") + said


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _code(text: str) -> str:
    mark = "``" if "`" in text else "`"
    return mark + text.replace("|", "\\|").strip() + mark


if __name__ == "__main__":
    from src.common.project import PROJECT

    (PROJECT / "docs" / "odd_inputs.md").write_text(page(), "utf-8")
