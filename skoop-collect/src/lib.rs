//! skoop-collect
