//! Lists in pages, and single objects.

use std::fmt::Debug;
use std::time::Duration;

use ::kube::api::{Api, ListParams};
use ::kube::core::NamespaceResourceScope;
use ::kube::{Client, Resource};
use serde::de::DeserializeOwned;
use skoop_model::{Item, ObjectKey, Unavailable};

use super::failure::{Failure, Request};
use super::now_ms;

/// Makes requests, one page at a time.
#[derive(Clone)]
pub(super) struct Lister {
    pub(super) client: Client,
    /// Time that one request may take.
    pub(super) timeout: Duration,
    /// Objects per page; 0 is all.
    pub(super) page_size: u32,
}

impl Lister {
    /// All objects of a kind in all namespaces, each reduced as soon as its page is there; those that `reduce` gives none for are left
    /// out.
    pub(super) async fn list<K, T>(&self, reduce: fn(&K) -> Option<T>) -> Item<Vec<T>>
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
    {
        let api = Api::all(self.client.clone());
        let at_ms = now_ms();
        let mut objects = self.pages(&api, self.page_size, reduce).await;
        if objects.as_ref().is_err_and(Failure::is_expired) {
            // The list grew too old between two pages. All at once it cannot; client-go's pager does the same.
            objects = self.pages(&api, 0, reduce).await;
        }
        match objects {
            Ok(objects) => Item::known(at_ms, objects),
            Err(failure) => Item::Unavailable(failure.unavailable(&request::<K>("list", None))),
        }
    }

    async fn pages<K, T>(&self, api: &Api<K>, size: u32, reduce: fn(&K) -> Option<T>) -> Result<Vec<T>, Failure>
    where
        K: Clone + DeserializeOwned + Debug,
    {
        let mut params = ListParams { limit: (size > 0).then_some(size), ..ListParams::default() };
        let mut objects = Vec::new();
        loop {
            let page = self.within(Box::pin(api.list(&params))).await?;
            objects.extend(page.items.iter().filter_map(reduce));
            match page.metadata.continue_ {
                Some(next) if !next.is_empty() => params.continue_token = Some(next),
                _ => return Ok(objects),
            }
        }
    }

    /// One object; none if there is no such object.
    pub(super) async fn get<K>(&self, key: &ObjectKey) -> Result<Option<K>, Unavailable>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug,
    {
        let api = Api::<K>::namespaced(self.client.clone(), &key.namespace);
        match self.within(Box::pin(api.get(&key.name))).await {
            Ok(object) => Ok(Some(object)),
            Err(failure) if failure.is_not_found() => Ok(None),
            Err(failure) => Err(failure.unavailable(&request::<K>("get", Some(key)))),
        }
    }

    /// The answer, if it comes in time.
    async fn within<T>(&self, request: impl Future<Output = Result<T, ::kube::Error>>) -> Result<T, Failure> {
        match tokio::time::timeout(self.timeout, request).await {
            Ok(answer) => answer.map_err(Failure::Refused),
            Err(_) => Err(Failure::NoAnswer(self.timeout)),
        }
    }
}

fn request<K: Resource<DynamicType = ()>>(verb: &'static str, object: Option<&ObjectKey>) -> Request {
    Request {
        verb,
        group: K::group(&()).into_owned(),
        resource: K::plural(&()).into_owned(),
        object: object.map(ToString::to_string),
    }
}
