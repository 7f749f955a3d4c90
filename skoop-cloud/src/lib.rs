//! skoop-cloud
