//! The client library: the only place that holds keys and plaintext.
