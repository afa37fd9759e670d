"""Colour augmentation: jitter, grayscale, blur and solarisation of uint8 photos.

The random numbers of many images are drawn at once, and applying them is a pure
function, so that a sample depends on its seed alone. (Keras' preprocessing layers
keep generators of their own, which a resumed run could not put back.)
"""

import dataclasses

import cv2
import numpy as np

__all__ = ["ColourAugmentation"]

_LUMA = np.array([0.299, 0.587, 0.114])
_GRAY = np.tile(_LUMA, (3, 1))
_RGB_TO_YIQ = np.array(
    [[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]]
)
_YIQ_TO_RGB = np.linalg.inv(_RGB_TO_YIQ)
_SOLARISE_THRESHOLD = 128
_REFERENCE_SIDE = 224


@dataclasses.dataclass(frozen=True)
class ColourAugmentation:
    """Strengths and probabilities.

    The HSJP paper names the operations (section 3.2) and points to SimCLR, BYOL and
    MoCo without strengths; the defaults are BYOL's and MoCo v2's for 224 pixels.

    Attributes:
        brightness: factor in 1 +- this.
        contrast: factor in 1 +- this, about the image's mean luminance.
        saturation: factor in 1 +- this, about each pixel's luminance.
        hue: turn of the colour circle in +- this, as a fraction of a full turn.
        jitter_probability: share of images that get the four above.
        grayscale_probability: share of images without colour.
        blur_probability: share of images that are blurred.
        blur_sigma: (lowest, highest) sigma in pixels of a 224 pixel image; scaled with
            the shorter side.
        solarise_probability: share of images whose values from 128 up are inverted.
    """

    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.2
    hue: float = 0.1
    jitter_probability: float = 0.8
    grayscale_probability: float = 0.2
    blur_probability: float = 0.5
    blur_sigma: tuple[float, float] = (0.1, 2.0)
    solarise_probability: float = 0.2

    def draw(
        self, rng: np.random.Generator, count: int, amount: float = 1.0
    ) -> np.ndarray:
        """Random parameters, float32 `[count, 7]`, a row per image for `apply`.

        Args:
            rng: the generator to draw from; always the same number of draws is made.
            count: number of images.
            amount: 0..1, scales every probability; 0 changes no image.
        """
        uniform = rng.random((count, 8))
        limits = np.array([self.brightness, self.contrast, self.saturation, self.hue])
        jitter = (uniform[:, :4] * 2 - 1) * limits
        jitter *= (uniform[:, 4] < self.jitter_probability * amount)[:, None]
        gray = uniform[:, 5] < self.grayscale_probability * amount
        share = uniform[:, 6]
        low, high = self.blur_sigma
        blurred = share < self.blur_probability * amount
        # Given that it blurs, `share / probability` is uniform again: one draw for two.
        place = share / max(self.blur_probability * amount, 1e-9)
        sigma = np.where(blurred, low + (high - low) * place, 0.0)
        solarise = uniform[:, 7] < self.solarise_probability * amount
        columns = [jitter, gray[:, None], sigma[:, None], solarise[:, None]]
        return np.concatenate(columns, axis=-1).astype(np.float32)

    @staticmethod
    def apply(image: np.ndarray, parameters: np.ndarray) -> np.ndarray:
        """One image uint8 `[H, W, 3]` RGB under one row of `draw`, uint8.

        The image given is not changed, and is itself the answer if nothing is to do.

        Brightness, contrast, saturation, hue (as a rotation in YIQ) and grayscale
        are linear in RGB, so they are one 3 x 4 matrix, clipped once.
        """
        brightness, contrast, saturation, hue, gray, sigma, solarise = parameters
        if parameters[:5].any():
            image = cv2.transform(
                image,
                _colour_matrix(image, brightness, contrast, saturation, hue, gray),
            )
        if sigma > 0:
            scaled = float(sigma) * min(image.shape[:2]) / _REFERENCE_SIDE
            image = cv2.GaussianBlur(image, (0, 0), max(scaled, 0.05))
        if solarise:
            image = np.where(image < _SOLARISE_THRESHOLD, image, 255 - image)
        return image


def _colour_matrix(
    image: np.ndarray,
    brightness: np.float32,
    contrast: np.float32,
    saturation: np.float32,
    hue: np.float32,
    gray: np.float32,
) -> np.ndarray:
    """float64 `[3, 4]`, from RGB and 1 to RGB."""
    mean = float(_LUMA @ cv2.mean(image)[:3]) * (1 + brightness)
    linear = np.eye(3) * (1 + brightness) * (1 + contrast)
    offset = np.full(3, -contrast * mean)
    mixing = (1 + saturation) * np.eye(3) - saturation * _GRAY
    if hue:
        angle = 2 * np.pi * hue
        cosine, sine = np.cos(angle), np.sin(angle)
        turn = np.array([[1, 0, 0], [0, cosine, -sine], [0, sine, cosine]])
        mixing = _YIQ_TO_RGB @ turn @ _RGB_TO_YIQ @ mixing
    if gray:
        mixing = _GRAY @ mixing
    return np.concatenate([mixing @ linear, (mixing @ offset)[:, None]], axis=1)
