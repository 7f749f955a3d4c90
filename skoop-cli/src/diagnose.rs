//! `skoop diagnose`.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use skoop::driver::{self, ClusterObjects, LiveCluster, LocalHost, Recorder, Source};
use skoop::engine::{DiagnosisError, ErrorKind};
use skoop::{driver::DriverError, render};
use skoop_model::{NodeName, Question, Report};

use crate::args::{DiagnoseArgs, FileOrStdout, Format, SourceArgs};
use crate::exit::{Exit, Failure, chain};
use crate::output::{self, Style};
use crate::progress::Spinner;
use crate::{ask, bundle, cluster, interrupt};

/// Answers the question, or one for each family.
pub(crate) fn run(args: &DiagnoseArgs, style: &Style) -> Result<Exit, Failure> {
    let questions = ask::questions(&args.from, &args.to, &args.namespace, &args.packet)?;
    let runtime = runtime()?;
    let answer = Answering { record: args.record.as_deref(), output: args.output, to: &args.output_file, style };
    if args.source.bundle.is_none() && !args.source.local {
        return runtime.block_on(live(args, &answer, questions));
    }
    let source = runtime.block_on(source(&args.source))?;
    runtime.block_on(answer.answer(source, questions))
}

/// Asks a live cluster. Whatever becomes of it, what was made in the cluster is removed.
async fn live(args: &DiagnoseArgs, answer: &Answering<'_>, questions: Vec<Question>) -> Result<Exit, Failure> {
    let cluster =
        cluster::live(&args.source.cluster, &args.source.nodes).await.map_err(|failure| match failure.hint {
            None => {
                failure.hint("or look at this host alone with --local, or at a recorded cluster with --bundle FILE")
            }
            Some(_) => failure,
        })?;
    let begun = Instant::now();
    let answered = tokio::select! {
        answered = answer.answer(Box::new(Arc::clone(&cluster)), questions) => Some(answered),
        () = interrupt::interrupted() => None,
    };
    let took = begun.elapsed();
    cluster.close().await;
    if args.stats {
        output::note(&stats(&cluster, took), answer.style);
    }
    answered.unwrap_or_else(|| interrupt::end())
}

/// What it took to answer.
fn stats(cluster: &LiveCluster, took: Duration) -> String {
    let traffic = cluster.traffic();
    let mut text = format!(
        "answered in {} ms; {} requests to the API server, {} KiB of answers",
        took.as_millis(),
        traffic.requests(),
        traffic.bytes().div_ceil(1024)
    );
    for look in cluster.looks() {
        let way = look.way.map_or_else(|| "not seen".to_owned(), |way| format!("by {way}"));
        text += &format!("\n  node {}: {way}, {} ms", look.node, look.took.as_millis());
    }
    text
}

/// The runtime of one command; blocking work has threads of its own.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Internal, format!("cannot start: {error}")))
}

/// Where the arguments say to look, if that is no live cluster.
async fn source(args: &SourceArgs) -> Result<Box<dyn Source>, Failure> {
    if let Some(path) = &args.bundle {
        return Ok(Box::new(bundle::open(path)?));
    }
    let host = match &args.local_node {
        Some(name) => LocalHost::named(NodeName::from(name.as_str())),
        None => LocalHost::new(),
    };
    if args.cluster.kubeconfig.is_none() && args.cluster.context.is_none() {
        return Ok(Box::new(host));
    }
    let reader = cluster::reader(&args.cluster).await?;
    Ok(Box::new(host.with_cluster(ClusterObjects::new(reader))))
}

/// How to answer, and where.
pub(crate) struct Answering<'a> {
    /// File to record to.
    pub(crate) record: Option<&'a Path>,
    /// Form of the report.
    pub(crate) output: Format,
    /// Where it goes.
    pub(crate) to: &'a FileOrStdout,
    /// How it looks.
    pub(crate) style: &'a Style,
}

impl Answering<'_> {
    /// Asks `source` all questions, writes what it said, and records what was seen.
    ///
    /// What one question gave is not lost if another cannot be answered; the worst ending counts.
    pub(crate) async fn answer(&self, source: Box<dyn Source>, questions: Vec<Question>) -> Result<Exit, Failure> {
        let source = Recorder::new(source);
        let spinner = Spinner::new(self.style);
        let (mut reports, mut failures) = (Vec::new(), Vec::new());
        for question in &questions {
            match driver::diagnose(&source, question.clone(), &spinner).await {
                Ok(report) => reports.push(report),
                Err(error) => failures.push(failure(&error, &spinner)),
            }
        }
        spinner.clear();
        if let Some(path) = self.record {
            bundle::save(&source.into_bundle(output::now_ms(), questions.first().cloned()), path)?;
            output::note(&format!("recorded to {}", path.display()), self.style);
        }
        let several = questions.len() > 1;
        if !reports.is_empty() {
            output::write(self.to, &form(&reports, several, self.output, self.style)?)?;
        }
        let mut exit = reports.iter().fold(Exit::Fine, |exit, report| exit.worse(report.verdict.into()));
        let last = failures.pop();
        for failure in &failures {
            output::complain(failure, self.style);
            exit = exit.worse(failure.exit);
        }
        match last {
            Some(last) => Err(Failure { exit: exit.worse(last.exit), ..last }),
            None => Ok(exit),
        }
    }
}

/// The reports in the form that was asked for; a list where several were asked for.
pub(crate) fn form(reports: &[Report], several: bool, form: Format, style: &Style) -> Result<String, Failure> {
    let one =
        || match reports {
            [report] if !several => Ok(report),
            _ => Err(Failure::usage("this form holds one report")
                .hint("use --family 4 or --family 6, or -o text, json or yaml")),
        };
    Ok(match form {
        Format::Text => {
            let texts: Vec<String> = reports.iter().map(|report| text(report, several, style)).collect();
            texts.join("\n")
        }
        Format::Json if several => output::json(&reports)?,
        Format::Json => render::json(one()?).map_err(|error| internal("JSON", &error))?,
        Format::Yaml if several => yaml(&reports)?,
        Format::Yaml => yaml(one()?)?,
        Format::Html => render::html(one()?),
        Format::Svg => render::svg(one()?),
    })
}

fn text(report: &Report, several: bool, style: &Style) -> String {
    let mut text = render::text(report, &style.text());
    if style.quiet {
        text = text.lines().next().map(|line| format!("{line}\n")).unwrap_or_default();
    }
    match report.question.asked.family {
        Some(family) if several => format!("{family}\n{text}"),
        _ => text,
    }
}

pub(crate) fn yaml(value: &impl serde::Serialize) -> Result<String, Failure> {
    serde_saphyr::to_string(value).map_err(|error| internal("YAML", &error))
}

fn internal(what: &str, error: &(dyn std::error::Error + 'static)) -> Failure {
    Failure::new(Exit::Internal, format!("cannot write {what}: {}", chain(error)))
}

/// An error of the driver as a failure, with the exit code that tells who has to act.
pub(crate) fn failure(error: &DriverError, spinner: &Spinner) -> Failure {
    let exit = match error.kind() {
        ErrorKind::Usage => Exit::Usage,
        ErrorKind::NotPermitted => Exit::NotPermitted,
        ErrorKind::Internal => Exit::Internal,
    };
    let failure = Failure::new(exit, chain(error));
    match error {
        DriverError::Diagnosis(DiagnosisError::NoNamespace { .. }) if spinner.all_refused() => {
            Failure { exit: Exit::NotPermitted, ..failure }.hint("run it as root")
        }
        _ => failure,
    }
}
