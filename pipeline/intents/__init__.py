"""Plain commands of a household, understood and answered without the language model."""
