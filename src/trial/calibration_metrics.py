"""A trial's metrics `calibration/*`: how far the confidence of its predictions can be believed."""

from collections.abc import Mapping

from src.data.listing import Split
from src.inference.calibration import Confidence, calibration_error, fit_temperature
from src.inference.temperature import scaled
from src.tracking import schema
from src.training.evaluation import Predictions


def calibration(predictions: Mapping[Split, Predictions]) -> dict[str, float]:
    """Return the temperature that fits the validation images, and the calibration error on test without and with it.

    Empty where the network diverged.
    """
    temperature = fit_temperature(predictions["val"].probabilities, predictions["val"].labels)
    if temperature is None:
        return {}
    numbers = {schema.TEMPERATURE: temperature}
    if "test" in predictions:
        test = predictions["test"]
        for name, applied in ((schema.TEST_ECE, None), (schema.TEST_ECE_SCALED, temperature)):
            numbers[name] = calibration_error(Confidence.of(scaled(test.probabilities, applied), test.labels))
    return numbers
