//! What the policies of a guardrail found, and what they did about it.

use alloc::string::String;
use alloc::vec::Vec;

use crate::guardrail::reasoning::GuardrailAutomatedReasoningPolicyAssessment;
use crate::{enumeration, structure};

structure! {
    /// What each policy of a guardrail found. An absent policy found nothing, or does not exist.
    ///
    /// See the [API's page](https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_GuardrailAssessment.html).
    pub struct GuardrailAssessment {
        optional {
            /// Denied topics.
            topic_policy: GuardrailTopicPolicyAssessment = "topicPolicy",
            /// Harmful content, and attacks on the prompt.
            content_policy: GuardrailContentPolicyAssessment = "contentPolicy",
            /// Words.
            word_policy: GuardrailWordPolicyAssessment = "wordPolicy",
            /// Personal data and regular expressions.
            sensitive_information_policy: GuardrailSensitiveInformationPolicyAssessment =
                "sensitiveInformationPolicy",
            /// Whether a response is grounded in its source and relevant to the question.
            contextual_grounding_policy: GuardrailContextualGroundingPolicyAssessment =
                "contextualGroundingPolicy",
            /// Whether the claims follow from the rules of a domain.
            automated_reasoning_policy: GuardrailAutomatedReasoningPolicyAssessment =
                "automatedReasoningPolicy",
            /// What the assessment cost.
            invocation_metrics: GuardrailInvocationMetrics = "invocationMetrics",
            /// Which guardrail it was, and who required it.
            applied_guardrail_details: AppliedGuardrailDetails = "appliedGuardrailDetails",
        }
    }
}

structure! {
    /// The denied topics that were found.
    pub struct GuardrailTopicPolicyAssessment {
        optional {
            /// The topics.
            topics: Vec<GuardrailTopic> = "topics",
        }
    }
}

structure! {
    /// A denied topic.
    pub struct GuardrailTopic {
        optional {
            /// Its name.
            name: String = "name",
            /// What the policy says about it.
            kind: GuardrailTopicType = "type",
            /// What was done.
            action: GuardrailTopicPolicyAction = "action",
            /// Whether the topic was found.
            detected: bool = "detected",
        }
    }
}

enumeration! {
    /// What a policy says about a topic.
    pub enum GuardrailTopicType {
        /// It is denied.
        Deny = "DENY",
    }
}

enumeration! {
    /// What was done about a topic.
    pub enum GuardrailTopicPolicyAction {
        /// The content was blocked.
        Blocked = "BLOCKED",
        /// Nothing.
        None = "NONE",
    }
}

structure! {
    /// The harmful content that was found.
    pub struct GuardrailContentPolicyAssessment {
        optional {
            /// The filters that looked for it.
            filters: Vec<GuardrailContentFilter> = "filters",
        }
    }
}

structure! {
    /// A filter for one kind of harmful content.
    pub struct GuardrailContentFilter {
        optional {
            /// The kind of content.
            kind: GuardrailContentFilterType = "type",
            /// How sure the filter is that the content is of that kind.
            confidence: GuardrailContentFilterConfidence = "confidence",
            /// How strict the filter is set to be.
            filter_strength: GuardrailContentFilterStrength = "filterStrength",
            /// What was done.
            action: GuardrailContentPolicyAction = "action",
            /// Whether such content was found.
            detected: bool = "detected",
        }
    }
}

enumeration! {
    /// The kinds of harmful content.
    pub enum GuardrailContentFilterType {
        /// Insults.
        Insults = "INSULTS",
        /// Hate.
        Hate = "HATE",
        /// Sexual content.
        Sexual = "SEXUAL",
        /// Violence.
        Violence = "VIOLENCE",
        /// Misconduct.
        Misconduct = "MISCONDUCT",
        /// An attempt to overrule the prompt.
        PromptAttack = "PROMPT_ATTACK",
    }
}

enumeration! {
    /// How sure a filter is.
    pub enum GuardrailContentFilterConfidence {
        /// Not at all.
        None = "NONE",
        /// A little.
        Low = "LOW",
        /// Fairly.
        Medium = "MEDIUM",
        /// Very.
        High = "HIGH",
    }
}

enumeration! {
    /// How strict a filter is: the confidence from which it acts.
    pub enum GuardrailContentFilterStrength {
        /// It never acts.
        None = "NONE",
        /// It acts on high confidence.
        Low = "LOW",
        /// It acts on medium confidence and more.
        Medium = "MEDIUM",
        /// It acts on low confidence and more.
        High = "HIGH",
    }
}

enumeration! {
    /// What was done about harmful content.
    pub enum GuardrailContentPolicyAction {
        /// The content was blocked.
        Blocked = "BLOCKED",
        /// Nothing.
        None = "NONE",
    }
}

structure! {
    /// The words that were found.
    pub struct GuardrailWordPolicyAssessment {
        optional {
            /// Words of the guardrail's own list.
            custom_words: Vec<GuardrailCustomWord> = "customWords",
            /// Words of the lists that AWS manages.
            managed_word_lists: Vec<GuardrailManagedWord> = "managedWordLists",
        }
    }
}

structure! {
    /// A word of a guardrail's own list.
    pub struct GuardrailCustomWord {
        optional {
            /// The word that was found.
            matched: String = "match",
            /// What was done.
            action: GuardrailWordPolicyAction = "action",
            /// Whether the word was found.
            detected: bool = "detected",
        }
    }
}

structure! {
    /// A word of a list that AWS manages.
    pub struct GuardrailManagedWord {
        optional {
            /// The word that was found.
            matched: String = "match",
            /// The list.
            kind: GuardrailManagedWordType = "type",
            /// What was done.
            action: GuardrailWordPolicyAction = "action",
            /// Whether the word was found.
            detected: bool = "detected",
        }
    }
}

enumeration! {
    /// The lists of words that AWS manages.
    pub enum GuardrailManagedWordType {
        /// Profanity.
        Profanity = "PROFANITY",
    }
}

enumeration! {
    /// What was done about a word.
    pub enum GuardrailWordPolicyAction {
        /// The content was blocked.
        Blocked = "BLOCKED",
        /// Nothing.
        None = "NONE",
    }
}

structure! {
    /// The sensitive information that was found.
    pub struct GuardrailSensitiveInformationPolicyAssessment {
        optional {
            /// Personal data.
            pii_entities: Vec<GuardrailPiiEntityFilter> = "piiEntities",
            /// Matches of the guardrail's own regular expressions.
            regexes: Vec<GuardrailRegexFilter> = "regexes",
        }
    }
}

structure! {
    /// A piece of personal data.
    pub struct GuardrailPiiEntityFilter {
        optional {
            /// The text that was found.
            matched: String = "match",
            /// What it is.
            kind: GuardrailPiiEntityType = "type",
            /// What was done.
            action: GuardrailSensitiveInformationPolicyAction = "action",
            /// Whether it was found.
            detected: bool = "detected",
        }
    }
}

enumeration! {
    /// The kinds of personal data.
    pub enum GuardrailPiiEntityType {
        /// A postal address.
        Address = "ADDRESS",
        /// An age.
        Age = "AGE",
        /// The id of an AWS access key.
        AwsAccessKey = "AWS_ACCESS_KEY",
        /// An AWS secret key.
        AwsSecretKey = "AWS_SECRET_KEY",
        /// A Canadian health service number.
        CaHealthNumber = "CA_HEALTH_NUMBER",
        /// A Canadian social insurance number.
        CaSocialInsuranceNumber = "CA_SOCIAL_INSURANCE_NUMBER",
        /// The verification code of a payment card.
        CreditDebitCardCvv = "CREDIT_DEBIT_CARD_CVV",
        /// The expiry date of a payment card.
        CreditDebitCardExpiry = "CREDIT_DEBIT_CARD_EXPIRY",
        /// The number of a payment card.
        CreditDebitCardNumber = "CREDIT_DEBIT_CARD_NUMBER",
        /// The number of a driving licence.
        DriverId = "DRIVER_ID",
        /// An e-mail address.
        Email = "EMAIL",
        /// An international bank account number (IBAN).
        InternationalBankAccountNumber = "INTERNATIONAL_BANK_ACCOUNT_NUMBER",
        /// An IP address.
        IpAddress = "IP_ADDRESS",
        /// A vehicle's licence plate.
        LicensePlate = "LICENSE_PLATE",
        /// The address of a network adapter.
        MacAddress = "MAC_ADDRESS",
        /// A person's name.
        Name = "NAME",
        /// A password.
        Password = "PASSWORD",
        /// A telephone number.
        Phone = "PHONE",
        /// A personal identification number.
        Pin = "PIN",
        /// A bank's SWIFT code.
        SwiftCode = "SWIFT_CODE",
        /// A British health service number.
        UkNationalHealthServiceNumber = "UK_NATIONAL_HEALTH_SERVICE_NUMBER",
        /// A British national insurance number.
        UkNationalInsuranceNumber = "UK_NATIONAL_INSURANCE_NUMBER",
        /// A British taxpayer reference.
        UkUniqueTaxpayerReferenceNumber = "UK_UNIQUE_TAXPAYER_REFERENCE_NUMBER",
        /// A web address.
        Url = "URL",
        /// The name of a user's account.
        Username = "USERNAME",
        /// The number of a bank account in the USA.
        UsBankAccountNumber = "US_BANK_ACCOUNT_NUMBER",
        /// The routing number of a bank in the USA.
        UsBankRoutingNumber = "US_BANK_ROUTING_NUMBER",
        /// An individual taxpayer's number in the USA.
        UsIndividualTaxIdentificationNumber = "US_INDIVIDUAL_TAX_IDENTIFICATION_NUMBER",
        /// The number of a US passport.
        UsPassportNumber = "US_PASSPORT_NUMBER",
        /// A social security number of the USA.
        UsSocialSecurityNumber = "US_SOCIAL_SECURITY_NUMBER",
        /// A vehicle's identification number.
        VehicleIdentificationNumber = "VEHICLE_IDENTIFICATION_NUMBER",
    }
}

structure! {
    /// A match of a regular expression.
    pub struct GuardrailRegexFilter {
        optional {
            /// The name of the filter.
            name: String = "name",
            /// The text that was found.
            matched: String = "match",
            /// The regular expression.
            regex: String = "regex",
            /// What was done.
            action: GuardrailSensitiveInformationPolicyAction = "action",
            /// Whether it was found.
            detected: bool = "detected",
        }
    }
}

enumeration! {
    /// What was done about sensitive information.
    pub enum GuardrailSensitiveInformationPolicyAction {
        /// It was masked.
        Anonymized = "ANONYMIZED",
        /// The content was blocked.
        Blocked = "BLOCKED",
        /// Nothing.
        None = "NONE",
    }
}

structure! {
    /// How well a response is grounded in its source and relevant to the question.
    pub struct GuardrailContextualGroundingPolicyAssessment {
        optional {
            /// The filters that checked it.
            filters: Vec<GuardrailContextualGroundingFilter> = "filters",
        }
    }
}

structure! {
    /// A filter of contextual grounding.
    pub struct GuardrailContextualGroundingFilter {
        optional {
            /// What it checks.
            kind: GuardrailContextualGroundingFilterType = "type",
            /// The score below which it acts, from 0 to 1.
            threshold: f64 = "threshold",
            /// The score of the response, from 0 to 1.
            score: f64 = "score",
            /// What was done.
            action: GuardrailContextualGroundingPolicyAction = "action",
            /// Whether the score is below the threshold.
            detected: bool = "detected",
        }
    }
}

enumeration! {
    /// What a filter of contextual grounding checks.
    pub enum GuardrailContextualGroundingFilterType {
        /// Whether the response is grounded in the source.
        Grounding = "GROUNDING",
        /// Whether the response is relevant to the question.
        Relevance = "RELEVANCE",
    }
}

enumeration! {
    /// What was done about a response that lacks grounding.
    pub enum GuardrailContextualGroundingPolicyAction {
        /// The content was blocked.
        Blocked = "BLOCKED",
        /// Nothing.
        None = "NONE",
    }
}

structure! {
    /// What an assessment cost.
    pub struct GuardrailInvocationMetrics {
        optional {
            /// How long it took, in milliseconds.
            guardrail_processing_latency: i64 = "guardrailProcessingLatency",
            /// The units that are charged.
            usage: GuardrailUsage = "usage",
            /// How much of the content was assessed.
            guardrail_coverage: GuardrailCoverage = "guardrailCoverage",
        }
    }
}

structure! {
    /// What the use of a guardrail is charged by: for each policy, [units](https://aws.amazon.com/bedrock/pricing/)
    /// of up to 1000 characters of text.
    pub struct GuardrailUsage {
        optional {
            /// Units of the topic policy.
            topic_policy_units: u32 = "topicPolicyUnits",
            /// Units of the content policy.
            content_policy_units: u32 = "contentPolicyUnits",
            /// Units of the word policy.
            word_policy_units: u32 = "wordPolicyUnits",
            /// Units of the sensitive information policy.
            sensitive_information_policy_units: u32 = "sensitiveInformationPolicyUnits",
            /// Units of the sensitive information policy that are free of charge.
            sensitive_information_policy_free_units: u32 = "sensitiveInformationPolicyFreeUnits",
            /// Units of the contextual grounding policy.
            contextual_grounding_policy_units: u32 = "contextualGroundingPolicyUnits",
            /// Images that the content policy checked.
            content_policy_image_units: u32 = "contentPolicyImageUnits",
            /// Units of the automated reasoning policy.
            automated_reasoning_policy_units: u32 = "automatedReasoningPolicyUnits",
            /// How many automated reasoning policies were evaluated.
            automated_reasoning_policies: u32 = "automatedReasoningPolicies",
        }
    }
}

structure! {
    /// How much of the content a guardrail assessed.
    pub struct GuardrailCoverage {
        optional {
            /// Of the text.
            text_characters: GuardrailTextCharactersCoverage = "textCharacters",
            /// Of the images.
            images: GuardrailImageCoverage = "images",
        }
    }
}

structure! {
    /// How much of the text a guardrail assessed.
    pub struct GuardrailTextCharactersCoverage {
        optional {
            /// The characters that were assessed.
            guarded: u32 = "guarded",
            /// All characters.
            total: u32 = "total",
        }
    }
}

structure! {
    /// How many of the images a guardrail assessed.
    pub struct GuardrailImageCoverage {
        optional {
            /// The images that were assessed.
            guarded: u32 = "guarded",
            /// All images.
            total: u32 = "total",
        }
    }
}

structure! {
    /// Which guardrail was applied, and who required it.
    pub struct AppliedGuardrailDetails {
        optional {
            /// The id of the guardrail.
            guardrail_id: String = "guardrailId",
            /// Its version: a number, or `DRAFT`.
            guardrail_version: String = "guardrailVersion",
            /// Its ARN.
            guardrail_arn: String = "guardrailArn",
            /// Who required it.
            guardrail_origin: Vec<GuardrailOrigin> = "guardrailOrigin",
            /// Who owns it.
            guardrail_ownership: GuardrailOwnership = "guardrailOwnership",
        }
    }
}

enumeration! {
    /// Who required a guardrail.
    pub enum GuardrailOrigin {
        /// The request.
        Request = "REQUEST",
        /// The account, for all its requests.
        AccountEnforced = "ACCOUNT_ENFORCED",
        /// The organisation, for all its accounts.
        OrganizationEnforced = "ORGANIZATION_ENFORCED",
    }
}

enumeration! {
    /// Who owns a guardrail.
    pub enum GuardrailOwnership {
        /// The caller's account.
        Own = "SELF",
        /// Another account, which shares it.
        CrossAccount = "CROSS_ACCOUNT",
    }
}
