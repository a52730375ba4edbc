//! The HTTP service that stores, ranks and returns what it cannot read.
