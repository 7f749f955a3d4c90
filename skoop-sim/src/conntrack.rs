//! Connection tracking: the flows that a walk makes in one namespace.

/// Flows that the packets of one walk created in one namespace.
#[derive(Debug, Clone, Default)]
pub struct Conntrack {}

/// What the kernel keeps with a packet from hook to hook of one namespace: above all, which flow it belongs to.
#[derive(Debug, Clone, Default)]
pub struct PacketState {}
