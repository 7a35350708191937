"""Draws one small picture, saves it in many formats and, beside each file, what Pillow reads back (as PNG).

Run in this folder: python3 make.py (written with Pillow 9.4, libjpeg-turbo 2.1, libwebp 1.2).
"""
from PIL import Image, ImageDraw, ImageOps


def picture(w, h):
    m = Image.new("RGB", (w, h))
    for y in range(h):
        for x in range(w):
            m.putpixel((x, y), (255 * x // (w - 1), 255 * y // (h - 1), 128))
    d = ImageDraw.Draw(m)
    d.ellipse((w // 8, h // 6, w // 2, h - h // 4), fill=(220, 30, 40))
    d.rectangle((w // 2, h // 3, w - 5, h - 6), fill=(20, 60, 200))
    d.line((0, h - 1, w - 1, 0), fill=(250, 240, 30), width=3)
    return m


def reference(name):
    ImageOps.exif_transpose(Image.open(name)).convert("RGB").save(name + ".png", optimize=True)


def save(m, name, **how):
    m.save(name, **how)
    reference(name)


m = picture(45, 31)
save(m, "baseline420.jpg", quality=85, subsampling="4:2:0")
save(m, "baseline422.jpg", quality=85, subsampling="4:2:2")
save(m, "baseline444.jpg", quality=85, subsampling="4:4:4")
save(m, "progressive.jpg", quality=85, subsampling="4:2:0", progressive=True)
save(m.convert("L"), "grey.jpg", quality=85)
save(m.convert("CMYK"), "cmyk.jpg", quality=85)
data = bytearray(open("cmyk.jpg", "rb").read())
flag = data.index(b"Adobe") + 11
assert data[flag] == 0
data[flag] = 2  # the same samples, now declared to be YCCK
open("ycck.jpg", "wb").write(data)
reference("ycck.jpg")

save(m, "lossy.webp", quality=85)
save(m, "lossless.webp", lossless=True)
alpha = m.copy()
alpha.putalpha(Image.linear_gradient("L").resize(m.size))
save(alpha, "alpha.webp", quality=85, exact=True)
save(m, "lzw.tif", compression="tiff_lzw")
save(m.quantize(16), "palette.gif")
# What Pillow makes of the picture in other sizes: smaller, larger, and one side each.
for name, how in ("bilinear", Image.Resampling.BILINEAR), ("bicubic", Image.Resampling.BICUBIC):
    for w, h in (20, 14), (97, 60), (11, 31), (45, 50):
        m.resize((w, h), how).save(f"{name}_{w}x{h}.png", optimize=True)
exif = Image.Exif()
exif[0x0112] = 6  # orientation: to be turned a quarter clockwise
save(m, "orientation6.jpg", quality=85, exif=exif)
save(m, "orientation6.webp", quality=85, exif=exif)
save(m, "orientation6.png", exif=exif)
