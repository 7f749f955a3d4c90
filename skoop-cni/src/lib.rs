//! skoop-cni
