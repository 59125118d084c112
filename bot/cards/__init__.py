"""Cards: values in, card out; one file for each thing that is shown."""
