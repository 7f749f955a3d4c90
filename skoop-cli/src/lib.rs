//! skoop-cli
