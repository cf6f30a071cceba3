//! From one task to its names.
