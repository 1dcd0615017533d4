//! What an account has beside foundation models and inference profiles: models and prompt routers that are called by
//! their ARN.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use serde_json::Value;
use tokio::time::timeout;

use super::catalog::id_of_arn;
use crate::Result;
use crate::client::Client;
use crate::operation::Operation;
use crate::shape::Members;
use pumice_codec::structure;

structure! {
    /// A model of the account's own, or a prompt router, which calls one of several models.
    pub struct OwnModel {
        required {
            /// What it is called by.
            arn: String = "arn",
            /// What it is, for people to read: `imported model`.
            kind: String = "kind",
        }
        optional {
            /// Its name, for people to read.
            name: String = "name",
            /// The id of the foundation model that it is made of, or that a router falls back to.
            base: String = "base",
            /// Where it stands, in the words of the list that it is in.
            status: String = "status",
        }
    }
}

impl OwnModel {
    /// Whether it takes calls now.
    pub fn is_ready(&self) -> bool {
        let ready = ["Active", "InService", "REGISTERED", "AVAILABLE"];
        self.status.as_deref().is_none_or(|status| ready.contains(&status))
    }
}

/// All that the account may list. A list that fails is left out: few identities need all of them, and few regions have
/// them all.
pub(super) async fn list(client: &Client) -> Vec<OwnModel> {
    let mut lists = LISTS.iter().map(|list| (Box::pin(list.ask(client)), None)).collect::<Vec<_>>();
    let all = poll_fn(|task| {
        let mut waits = false;
        for (asked, found) in &mut lists {
            if found.is_none() {
                match asked.as_mut().poll(task) {
                    Poll::Ready(listed) => *found = Some(listed.unwrap_or_default()),
                    Poll::Pending => waits = true,
                }
            }
        }
        if waits { Poll::Pending } else { Poll::Ready(()) }
    });
    // What has arrived by then is enough.
    let _ = timeout(LONGEST_WAIT, all).await;
    lists.into_iter().filter_map(|(_, found)| found).flatten().collect()
}

/// A list, and where its items have what an [`OwnModel`] has.
struct List {
    operation: Operation,
    items: &'static str,
    kind: &'static str,
    arn: &'static str,
    name: &'static str,
    base: &'static str,
}

const LISTS: [List; 5] = [
    List {
        operation: Operation::ListImportedModels,
        items: "modelSummaries",
        kind: "imported model",
        arn: "/modelArn",
        name: "/modelName",
        base: "",
    },
    List {
        operation: Operation::ListCustomModelDeployments,
        items: "modelDeploymentSummaries",
        kind: "deployment of a custom model",
        arn: "/customModelDeploymentArn",
        name: "/customModelDeploymentName",
        base: "",
    },
    List {
        operation: Operation::ListProvisionedModelThroughputs,
        items: "provisionedModelSummaries",
        kind: "provisioned throughput",
        arn: "/provisionedModelArn",
        name: "/provisionedModelName",
        base: "/foundationModelArn",
    },
    List {
        operation: Operation::ListMarketplaceModelEndpoints,
        items: "marketplaceModelEndpoints",
        kind: "Marketplace endpoint",
        arn: "/endpointArn",
        name: "",
        base: "",
    },
    List {
        operation: Operation::ListPromptRouters,
        items: "promptRouterSummaries",
        kind: "prompt router",
        arn: "/promptRouterArn",
        name: "/promptRouterName",
        base: "/fallbackModel/modelArn",
    },
];

impl List {
    async fn ask(&self, client: &Client) -> Result<Vec<OwnModel>> {
        let listed = client.call(self.operation, &Members::default()).await?;
        let items = listed.read::<Value>()?;
        let items = items.get(self.items).and_then(Value::as_array);
        Ok(items.into_iter().flatten().filter_map(|item| self.model(item)).collect())
    }

    fn model(&self, item: &Value) -> Option<OwnModel> {
        let text = |pointer: &str| {
            let text = item.pointer(pointer).and_then(Value::as_str).map(str::trim);
            text.filter(|text| !text.is_empty() && !pointer.is_empty())
        };
        let mut model = OwnModel::new(text(self.arn)?, self.kind);
        model.name = text(self.name).map(str::to_owned);
        model.base = text(self.base).map(|arn| id_of_arn(arn).to_owned());
        model.status = text("/status").map(str::to_owned);
        Some(model)
    }
}

/// How long the lists may take, their retries included.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
