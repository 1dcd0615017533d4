//! Access to models: whether an account has it, the agreement that gives it, and the form that Anthropic asks for. All
//! these operations are of the control plane and take the id of a foundation model, never one of a profile.
//!
//! [`GetFoundationModelAvailability`], [`ListFoundationModelAgreementOffers`], [`CreateFoundationModelAgreement`],
//! [`DeleteFoundationModelAgreement`], [`PutUseCaseForModelAccess`], [`GetUseCaseForModelAccess`].
//!
//! [`GetFoundationModelAvailability`]: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_GetFoundationModelAvailability.html
//! [`ListFoundationModelAgreementOffers`]: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_ListFoundationModelAgreementOffers.html
//! [`CreateFoundationModelAgreement`]: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_CreateFoundationModelAgreement.html
//! [`DeleteFoundationModelAgreement`]: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_DeleteFoundationModelAgreement.html
//! [`PutUseCaseForModelAccess`]: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_PutUseCaseForModelAccess.html
//! [`GetUseCaseForModelAccess`]: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_GetUseCaseForModelAccess.html

use alloc::string::String;
use alloc::vec::Vec;

use crate::shape::Blob;
use crate::{enumeration, structure};

structure! {
    /// The input of `GetFoundationModelAvailability`.
    pub struct GetFoundationModelAvailabilityRequest {
        label {
            /// The id of the foundation model.
            model_id: String = "modelId",
        }
    }
}

structure! {
    /// The output of `GetFoundationModelAvailability`.
    pub struct GetFoundationModelAvailabilityResponse {
        required {
            /// The id of the foundation model.
            model_id: String = "modelId",
            /// Whether the account has an agreement on it.
            agreement_availability: AgreementAvailability = "agreementAvailability",
            /// Whether the identity may use it.
            authorization_status: AuthorizationStatus = "authorizationStatus",
            /// Whether the account is entitled to it.
            entitlement_availability: EntitlementAvailability = "entitlementAvailability",
            /// Whether the region has it.
            region_availability: RegionAvailability = "regionAvailability",
        }
    }
}

structure! {
    /// Whether an account has an agreement on a model.
    pub struct AgreementAvailability {
        required {
            /// Where it stands.
            status: AgreementStatus = "status",
        }
        optional {
            /// Why there is none.
            error_message: String = "errorMessage",
        }
    }
}

enumeration! {
    /// Where an agreement stands.
    pub enum AgreementStatus {
        /// There is one.
        Available = "AVAILABLE",
        /// There will be one in some minutes.
        Pending = "PENDING",
        /// There is none.
        NotAvailable = "NOT_AVAILABLE",
        /// It could not be made.
        Error = "ERROR",
    }
}

enumeration! {
    /// Whether an identity may use a model.
    pub enum AuthorizationStatus {
        /// It may.
        Authorized = "AUTHORIZED",
        /// It may not.
        NotAuthorized = "NOT_AUTHORIZED",
    }
}

enumeration! {
    /// Whether an account is entitled to a model.
    pub enum EntitlementAvailability {
        /// It is.
        Available = "AVAILABLE",
        /// It is not.
        NotAvailable = "NOT_AVAILABLE",
    }
}

enumeration! {
    /// Whether a region has a model.
    pub enum RegionAvailability {
        /// It has.
        Available = "AVAILABLE",
        /// It has not.
        NotAvailable = "NOT_AVAILABLE",
    }
}

structure! {
    /// The input of `ListFoundationModelAgreementOffers`.
    pub struct ListFoundationModelAgreementOffersRequest {
        label {
            /// The id of the foundation model.
            model_id: String = "modelId",
        }
        optional {
            /// Which offers to list. It goes into the query.
            offer_type: OfferType = "offerType",
        }
    }
}

enumeration! {
    /// Which offers to list.
    pub enum OfferType {
        /// Those made to this account as well.
        All = "ALL",
        /// Those made to everybody.
        Public = "PUBLIC",
    }
}

structure! {
    /// The output of `ListFoundationModelAgreementOffers`.
    pub struct ListFoundationModelAgreementOffersResponse {
        required {
            /// The id of the foundation model.
            model_id: String = "modelId",
            /// The offers.
            offers: Vec<Offer> = "offers",
        }
    }
}

structure! {
    /// An offer under which a model can be had.
    pub struct Offer {
        required {
            /// What an agreement is created with.
            offer_token: String = "offerToken",
            /// Its terms.
            term_details: TermDetails = "termDetails",
        }
        optional {
            /// Its id.
            offer_id: String = "offerId",
        }
    }
}

structure! {
    /// The terms of an offer.
    pub struct TermDetails {
        required {
            /// The prices.
            usage_based_pricing_term: PricingTerm = "usageBasedPricingTerm",
            /// The legal terms.
            legal_term: LegalTerm = "legalTerm",
            /// The terms of support.
            support_term: SupportTerm = "supportTerm",
        }
        optional {
            /// How long the agreement lasts.
            validity_term: ValidityTerm = "validityTerm",
        }
    }
}

structure! {
    /// The prices of an offer.
    pub struct PricingTerm {
        required {
            /// One for each kind of use.
            rate_card: Vec<DimensionalPriceRate> = "rateCard",
        }
    }
}

structure! {
    /// The price of one kind of use.
    pub struct DimensionalPriceRate {
        optional {
            /// The kind of use.
            dimension: String = "dimension",
            /// The price.
            price: String = "price",
            /// What it is, for people to read.
            description: String = "description",
            /// What the price is for.
            unit: String = "unit",
        }
    }
}

structure! {
    /// The legal terms of an offer.
    pub struct LegalTerm {
        optional {
            /// Where they are.
            url: String = "url",
        }
    }
}

structure! {
    /// The terms of support of an offer.
    pub struct SupportTerm {
        optional {
            /// When money is given back.
            refund_policy_description: String = "refundPolicyDescription",
        }
    }
}

structure! {
    /// How long an agreement lasts.
    pub struct ValidityTerm {
        optional {
            /// The time, in the form of ISO 8601.
            agreement_duration: String = "agreementDuration",
        }
    }
}

structure! {
    /// The input of `CreateFoundationModelAgreement`.
    pub struct CreateFoundationModelAgreementRequest {
        required {
            /// The token of the [`Offer`].
            offer_token: String = "offerToken",
            /// The id of the foundation model.
            model_id: String = "modelId",
        }
    }
}

structure! {
    /// The output of `CreateFoundationModelAgreement`.
    pub struct CreateFoundationModelAgreementResponse {
        required {
            /// The id of the foundation model.
            model_id: String = "modelId",
        }
    }
}

structure! {
    /// The input of `DeleteFoundationModelAgreement`.
    pub struct DeleteFoundationModelAgreementRequest {
        required {
            /// The id of the foundation model.
            model_id: String = "modelId",
        }
    }
}

structure! {
    /// The output of `DeleteFoundationModelAgreement`.
    pub struct DeleteFoundationModelAgreementResponse {}
}

structure! {
    /// The input of `PutUseCaseForModelAccess`.
    pub struct PutUseCaseForModelAccessRequest {
        required {
            /// The form, from 10 to 16,384 bytes.
            form_data: Blob = "formData",
        }
    }
}

structure! {
    /// The output of `PutUseCaseForModelAccess`.
    pub struct PutUseCaseForModelAccessResponse {}
}

structure! {
    /// The input of `GetUseCaseForModelAccess`. The operation fails with the status 404 if no form was submitted.
    pub struct GetUseCaseForModelAccessRequest {}
}

structure! {
    /// The output of `GetUseCaseForModelAccess`.
    pub struct GetUseCaseForModelAccessResponse {
        required {
            /// The form as it was submitted.
            form_data: Blob = "formData",
        }
    }
}
