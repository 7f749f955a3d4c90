"""A real Kubernetes cluster on one Linux host, each node a set of namespaces: see docs/cluster.md."""
