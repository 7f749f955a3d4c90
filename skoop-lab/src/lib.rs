//! skoop-lab
