//! What the service says of an account's access to a model, and what to do where it lacks.

use pumice::operation::Operation;
use pumice::shape::Members;
use pumice::{Client, Error, ErrorKind, Hint};
use serde_json::Value;

use crate::failure::Exit;
use crate::hint;

/// The answer of `GetFoundationModelAvailability`.
pub(crate) struct Access(Value);

/// Why the account or the identity cannot call a model.
pub(crate) struct Obstacle {
    /// How a call would end.
    pub(crate) exit: Exit,
    pub(crate) detail: String,
    pub(crate) hint: String,
    /// Whether it goes away by itself.
    pub(crate) passes: bool,
}

impl Access {
    /// Of a foundation model, by its own id.
    pub(crate) async fn of(client: &Client, model: &str) -> Result<Self, Error> {
        let mut request = Members::default();
        request.insert("modelId", Value::from(model));
        client.call(Operation::GetFoundationModelAvailability, &request).await?.read().map(Self)
    }

    fn word(&self, path: &str) -> &str {
        self.0.pointer(path).and_then(Value::as_str).unwrap_or_default()
    }

    /// What was asked for, in order, and why it is not so.
    pub(crate) fn steps(&self, model: &str, region: &str) -> [(&'static str, Option<Obstacle>); 4] {
        let obstacle =
            |exit, detail: String, hint: String| Some(Obstacle { exit, detail, hint, passes: false });
        let access =
            || hint::text(&Hint::ModelAccess { model: Some(model.to_owned()), region: region.to_owned() });
        let why = self.word("/agreementAvailability/errorMessage");
        let agreement = match self.word("/agreementAvailability/status") {
            "AVAILABLE" => None,
            "PENDING" => Some(Obstacle {
                exit: Exit::Access,
                detail: "the agreement for the model is pending".into(),
                hint: "wait up to 15 minutes".into(),
                passes: true,
            }),
            status => {
                let detail = format!("the account has no agreement for the model ({status}) {why}");
                let hint = if why.contains("PAYMENT") { hint::text(&Hint::AddPayment) } else { access() };
                obstacle(Exit::Access, detail.trim_end().to_owned(), hint)
            }
        };
        let authorisation = match self.word("/authorizationStatus") {
            "AUTHORIZED" => None,
            status => obstacle(
                Exit::Access,
                format!("the identity is not authorised for the model ({status})"),
                "allow bedrock:InvokeModel and bedrock:InvokeModelWithResponseStream on the model, in the policies \
                 of the identity and of the organisation"
                    .into(),
            ),
        };
        let entitlement = match self.word("/entitlementAvailability") {
            "AVAILABLE" => None,
            status => obstacle(
                Exit::Access,
                format!("the account is not entitled to the model ({status})"),
                access(),
            ),
        };
        let of_region = match self.word("/regionAvailability") {
            "AVAILABLE" => None,
            status => obstacle(
                Exit::Refused,
                format!("{region} does not have the model ({status})"),
                "name another region with --region, or a cross-region inference profile; run pumice models list to \
                 see what can be called"
                    .into(),
            ),
        };
        [
            ("agreement", agreement),
            ("authorisation", authorisation),
            ("entitlement", entitlement),
            ("model region", of_region),
        ]
    }
}

/// Whether the account has told Anthropic what it uses the models for. `None` if the service does not say.
pub(crate) async fn use_case_is_known(client: &Client) -> Option<bool> {
    match client.call(Operation::GetUseCaseForModelAccess, &Members::default()).await {
        Ok(_) => Some(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Some(false),
        Err(_) => None,
    }
}

/// Whether Anthropic asks for the form.
pub(crate) fn needs_use_case(base: &str) -> bool {
    base.starts_with("anthropic.")
}
