"""Images as JPEG in base64, as pages and requests hold them."""

import base64
import io

from PIL import Image as PillowImage


def jpeg_base64(image: PillowImage.Image, quality: int = 85) -> str:
    """Return an RGB image as a JPEG file in base64."""
    content = io.BytesIO()
    image.save(content, "JPEG", quality=quality)
    return base64.b64encode(content.getvalue()).decode()


def jpeg_uri(image: PillowImage.Image, quality: int = 85) -> str:
    """Return an RGB image as an address that holds it."""
    return f"data:image/jpeg;base64,{jpeg_base64(image, quality)}"
