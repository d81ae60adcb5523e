//! Stopped after every commit: what is left is opened and brought to its end, and it is as if nothing had happened.
