//! The state machine: facts in, a report out.

use skoop_model::{ClusterSnapshot, NodeName, NodeSnapshot, Question, check_schema};
use skoop_sim::explore;

use super::error::DiagnosisError;
use super::network::{Network, NodeState};
use super::resolve::{Plan, resolve};
use super::trip::take;
use super::want::{Supplied, Want};
use super::wants::Wants;
use super::{Step, compose};

/// Ways that one question may fork into. Far more than any real table has for one packet; beyond it the verdict is open.
const MAX_WAYS: usize = 1024;
/// Rounds of asking: each one supplies at least one fact, and no packet passes more nodes.
const MAX_ROUNDS: usize = 256;

/// The answering of one question. It does no IO: it says what it needs, and is given it.
///
/// ```
/// use skoop::engine::{Diagnosis, Step, Supplied, Want};
/// use skoop::model::{ClusterSnapshot, End, Question};
///
/// let question = Question::tcp("10.0.0.1".parse::<End>()?, "10.0.0.2".parse::<End>()?, None);
/// let mut diagnosis = Diagnosis::new(question);
/// let Step::Need(wants) = diagnosis.step()? else { panic!("a cluster is wanted first") };
/// assert_eq!(wants, [Want::Cluster]);
/// diagnosis.supply(&Want::Cluster, Supplied::Cluster(Box::new(ClusterSnapshot::new("none", 0))))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Diagnosis {
    question: Question,
    network: Option<Network>,
    rounds: usize,
}

impl Diagnosis {
    /// A diagnosis that knows nothing yet.
    pub fn new(question: Question) -> Self {
        Self { question, network: None, rounds: 0 }
    }

    /// Walks over the facts supplied so far, from the start. The same facts give the same step.
    ///
    /// # Errors
    ///
    /// [`DiagnosisError`] when the question cannot be answered at all: an unknown name, an end without an address.
    pub fn step(&mut self) -> Result<Step, DiagnosisError> {
        self.rounds += 1;
        if self.rounds > MAX_ROUNDS {
            return Err(DiagnosisError::NoProgress);
        }
        let Some(network) = &self.network else { return Ok(Step::Need(vec![Want::Cluster])) };
        let wants = Wants::default();
        let Some(plan) = resolve(&self.question, network, &wants)? else { return Ok(Step::Need(wants.into_list())) };
        let (ways, truncated) = explore(MAX_WAYS, |forks| take(network, &plan, &wants, forks));
        want_owners(network, &plan, &wants);
        let wants = wants.into_list();
        if !wants.is_empty() {
            return Ok(Step::Need(wants));
        }
        let report = compose::report(&self.question, &plan, network, &ways, truncated);
        Ok(Step::Done(Box::new(report)))
    }

    /// Gives a fact that was asked for.
    ///
    /// # Errors
    ///
    /// [`DiagnosisError::Schema`] for a snapshot from a newer skoop, [`DiagnosisError::WrongFact`] for one that answers something else.
    pub fn supply(&mut self, want: &Want, supplied: Supplied) -> Result<(), DiagnosisError> {
        match (want, supplied) {
            (Want::Cluster, Supplied::Cluster(cluster)) => self.add_cluster(*cluster)?,
            (Want::Cluster, Supplied::Unavailable(why)) => {
                let mut cluster = ClusterSnapshot::new("unavailable", 0);
                cluster.nodes = skoop_model::Item::Unavailable(why.clone());
                cluster.pods = skoop_model::Item::Unavailable(why.clone());
                cluster.services = skoop_model::Item::Unavailable(why);
                self.add_cluster(cluster)?;
            }
            (Want::Node(name), Supplied::Node(node)) => self.add_node(name, *node)?,
            (Want::Node(name), Supplied::Unavailable(why)) => {
                if let Some(network) = &mut self.network {
                    network.add_unavailable(name, why);
                }
            }
            (want, _) => return Err(DiagnosisError::WrongFact { want: want.to_string() }),
        }
        Ok(())
    }

    /// Gives a fact anew that was read a second time. Another state of the cluster's objects makes all nodes wanted again.
    ///
    /// # Errors
    ///
    /// As [`supply`](Self::supply).
    pub fn replace(&mut self, want: &Want, supplied: Supplied) -> Result<(), DiagnosisError> {
        self.rounds = 0;
        if let (Want::Node(name), Some(network)) = (want, &mut self.network) {
            network.forget(name);
        }
        self.supply(want, supplied)
    }

    fn add_cluster(&mut self, cluster: ClusterSnapshot) -> Result<(), DiagnosisError> {
        check_schema(cluster.schema)?;
        self.network = Some(Network::new(cluster));
        Ok(())
    }

    fn add_node(&mut self, name: &NodeName, node: NodeSnapshot) -> Result<(), DiagnosisError> {
        check_schema(node.schema)?;
        if let Some(network) = &mut self.network {
            network.add_node(name, node);
        }
        Ok(())
    }
}

/// The destination's node is wanted even if the packet never gets there: its state says how to mend what is on the way.
fn want_owners(network: &Network, plan: &Plan, wants: &Wants) {
    if let Some(node) = &plan.destination.node
        && network.node_state(node) == NodeState::Missing
    {
        wants.node(node);
    }
}
