//! Batch inference jobs: requests and responses of [`CreateModelInvocationJob`], [`GetModelInvocationJob`],
//! [`ListModelInvocationJobs`] and [`StopModelInvocationJob`].
//!
//! [`CreateModelInvocationJob`]: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_CreateModelInvocationJob.html
//! [`GetModelInvocationJob`]: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_GetModelInvocationJob.html
//! [`ListModelInvocationJobs`]: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_ListModelInvocationJobs.html
//! [`StopModelInvocationJob`]: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_StopModelInvocationJob.html

use alloc::string::String;
use alloc::vec::Vec;

use crate::shape::Timestamp;
use crate::{enumeration, structure, union};

structure! {
    /// The input of `CreateModelInvocationJob`.
    pub struct CreateModelInvocationJobRequest {
        required {
            /// The name of the job: at most 63 letters, digits, and `+`, `-` and `.`.
            job_name: String = "jobName",
            /// The ARN of the role with which Bedrock reads the input and writes the output.
            role_arn: String = "roleArn",
            /// The model: the id or ARN of a foundation model, an inference profile or a customised model.
            model_id: String = "modelId",
            /// Where the input is.
            input_data_config: ModelInvocationJobInputDataConfig = "inputDataConfig",
            /// Where the output goes.
            output_data_config: ModelInvocationJobOutputDataConfig = "outputDataConfig",
        }
        lists {
            /// The tags of the job.
            tags: Tag = "tags" by tag,
        }
        optional {
            /// What the request is recognised by when it is repeated. The client sends a new one if there is none.
            client_request_token: String = "clientRequestToken",
            /// The network that the job has access to.
            vpc_config: VpcConfig = "vpcConfig",
            /// After how many hours the job expires, from 24 to 168.
            timeout_duration_in_hours: i32 = "timeoutDurationInHours",
            /// The form of `modelInput` in the records. Without one, it is that of InvokeModel.
            model_invocation_type: ModelInvocationType = "modelInvocationType",
        }
    }
}

structure! {
    /// The output of `CreateModelInvocationJob`.
    pub struct CreateModelInvocationJobResponse {
        required {
            /// The ARN of the job.
            job_arn: String = "jobArn",
        }
    }
}

structure! {
    /// The input of `GetModelInvocationJob`.
    pub struct GetModelInvocationJobRequest {
        label {
            /// The ARN of the job, or its id.
            job_identifier: String = "jobIdentifier",
        }
    }
}

structure! {
    /// A batch job; also an item of `ListModelInvocationJobs`.
    #[doc(alias = "GetModelInvocationJobResponse")]
    pub struct ModelInvocationJobSummary {
        required {
            /// The ARN of the job.
            job_arn: String = "jobArn",
        }
        optional {
            /// The name of the job.
            job_name: String = "jobName",
            /// The model.
            model_id: String = "modelId",
            /// The token of the request that created it.
            client_request_token: String = "clientRequestToken",
            /// The role with which Bedrock reads the input and writes the output.
            role_arn: String = "roleArn",
            /// Where it stands.
            status: ModelInvocationJobStatus = "status",
            /// Why it failed, or what is wrong with it.
            message: String = "message",
            /// When it was created.
            submit_time: Timestamp = "submitTime",
            /// When it last changed.
            last_modified_time: Timestamp = "lastModifiedTime",
            /// When it ended.
            end_time: Timestamp = "endTime",
            /// Where the input is.
            input_data_config: ModelInvocationJobInputDataConfig = "inputDataConfig",
            /// Where the output goes.
            output_data_config: ModelInvocationJobOutputDataConfig = "outputDataConfig",
            /// The network that the job has access to.
            vpc_config: VpcConfig = "vpcConfig",
            /// After how many hours it expires.
            timeout_duration_in_hours: i32 = "timeoutDurationInHours",
            /// When it expires.
            job_expiration_time: Timestamp = "jobExpirationTime",
            /// The form of `modelInput` in the records.
            model_invocation_type: ModelInvocationType = "modelInvocationType",
            /// How many records there are.
            total_record_count: i64 = "totalRecordCount",
            /// How many records have been processed.
            processed_record_count: i64 = "processedRecordCount",
            /// How many records have a response.
            success_record_count: i64 = "successRecordCount",
            /// How many records have an error.
            error_record_count: i64 = "errorRecordCount",
        }
    }
}

structure! {
    /// The input of `ListModelInvocationJobs`. All members go into the query, under their own names.
    pub struct ListModelInvocationJobsRequest {
        optional {
            /// Only jobs that were created after this time.
            submit_time_after: Timestamp = "submitTimeAfter",
            /// Only jobs that were created before this time.
            submit_time_before: Timestamp = "submitTimeBefore",
            /// Only jobs with this status.
            status_equals: ModelInvocationJobStatus = "statusEquals",
            /// Only jobs with this text in their names.
            name_contains: String = "nameContains",
            /// How many jobs to a page, from 1 to 1000.
            max_results: i32 = "maxResults",
            /// The page to give, by the token that the page before it ended with.
            next_token: String = "nextToken",
            /// What to sort by.
            sort_by: SortJobsBy = "sortBy",
            /// In which order.
            sort_order: SortOrder = "sortOrder",
        }
    }
}

structure! {
    /// The output of `ListModelInvocationJobs`: one page.
    pub struct ListModelInvocationJobsResponse {
        optional {
            /// The token of the next page. Absent or empty: this is the last.
            next_token: String = "nextToken",
            /// The jobs.
            invocation_job_summaries: Vec<ModelInvocationJobSummary> = "invocationJobSummaries",
        }
    }
}

structure! {
    /// The input of `StopModelInvocationJob`.
    pub struct StopModelInvocationJobRequest {
        label {
            /// The ARN of the job, or its id.
            job_identifier: String = "jobIdentifier",
        }
    }
}

structure! {
    /// The output of `StopModelInvocationJob`.
    pub struct StopModelInvocationJobResponse {}
}

union! {
    /// Where the input of a batch job is.
    pub enum ModelInvocationJobInputDataConfig {
        /// In S3.
        S3(ModelInvocationJobS3InputDataConfig) = "s3InputDataConfig",
    }
}

structure! {
    /// Where the input of a batch job is in S3.
    pub struct ModelInvocationJobS3InputDataConfig {
        required {
            /// A file, or a folder of files: `s3://BUCKET/KEY`.
            s3_uri: String = "s3Uri",
        }
        optional {
            /// The form of the files.
            s3_input_format: S3InputFormat = "s3InputFormat",
            /// The account that owns the bucket.
            s3_bucket_owner: String = "s3BucketOwner",
        }
    }
}

union! {
    /// Where the output of a batch job goes.
    pub enum ModelInvocationJobOutputDataConfig {
        /// To S3.
        S3(ModelInvocationJobS3OutputDataConfig) = "s3OutputDataConfig",
    }
}

structure! {
    /// Where the output of a batch job goes in S3.
    pub struct ModelInvocationJobS3OutputDataConfig {
        required {
            /// A folder: `s3://BUCKET/PREFIX/`. The job writes into a folder in it that is named by the job's id.
            s3_uri: String = "s3Uri",
        }
        optional {
            /// The KMS key to encrypt the output with.
            s3_encryption_key_id: String = "s3EncryptionKeyId",
            /// The account that owns the bucket.
            s3_bucket_owner: String = "s3BucketOwner",
        }
    }
}

structure! {
    /// A network of the account that a job has access to.
    pub struct VpcConfig {
        required {
            /// The ids of its subnets.
            subnet_ids: Vec<String> = "subnetIds",
            /// The ids of its security groups.
            security_group_ids: Vec<String> = "securityGroupIds",
        }
    }
}

structure! {
    /// A tag of a resource.
    pub struct Tag {
        required {
            /// The name of the tag.
            key: String = "key",
            /// Its value.
            value: String = "value",
        }
    }
}

enumeration! {
    /// Where a batch job stands.
    pub enum ModelInvocationJobStatus {
        /// It has been created.
        Submitted = "Submitted",
        /// Its files and rights are being checked.
        Validating = "Validating",
        /// It waits for its turn.
        Scheduled = "Scheduled",
        /// Its records are being processed.
        InProgress = "InProgress",
        /// All records have been processed.
        Completed = "Completed",
        /// It ended before all records had been processed.
        PartiallyCompleted = "PartiallyCompleted",
        /// It failed.
        Failed = "Failed",
        /// It is being stopped.
        Stopping = "Stopping",
        /// It was stopped.
        Stopped = "Stopped",
        /// It did not end in time.
        Expired = "Expired",
    }
}

enumeration! {
    /// The form of `modelInput` in the records of a batch job.
    pub enum ModelInvocationType {
        /// The body of InvokeModel, in the model's own form.
        InvokeModel = "InvokeModel",
        /// The body of Converse.
        Converse = "Converse",
    }
}

enumeration! {
    /// The form of the input files of a batch job.
    pub enum S3InputFormat {
        /// JSON Lines.
        Jsonl = "JSONL",
    }
}

enumeration! {
    /// What jobs are sorted by.
    pub enum SortJobsBy {
        /// The time when they were created.
        CreationTime = "CreationTime",
    }
}

enumeration! {
    /// The order of a list.
    pub enum SortOrder {
        /// The smallest or oldest first.
        Ascending = "Ascending",
        /// The largest or newest first.
        Descending = "Descending",
    }
}
