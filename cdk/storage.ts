/**
 * Where runs live: the journal's table and the bucket for payloads too large for it.
 *
 * 1. The table's keys, indexes and TTL attribute are the adapter's (`names.ts`), so neither can drift.
 * 2. Both outlive the stack unless `removalPolicy` says otherwise: runs are worth more than the code that runs them.
 * 3. Blobs expire by the bucket's lifecycle, so that nothing is deleted by a paid call, and never before their run: who
 *    extends a run renews its blobs, and a retention that would outlast them is refused.
 */
import { Duration, type RemovalPolicy, Validations } from "aws-cdk-lib";
import * as dynamodb from "aws-cdk-lib/aws-dynamodb";
import * as s3 from "aws-cdk-lib/aws-s3";
import { Construct } from "constructs";
import { TABLE_SCHEMA } from "../shared/adapters/aws/names.ts";
import { BLOB_EXPIRY_MS } from "../shared/core/limits.ts";

const { due, ...lists } = TABLE_SCHEMA.indexes;
const types = { S: dynamodb.AttributeType.STRING, N: dynamodb.AttributeType.NUMBER } as const;
const attribute = ({ name, type }: { name: string; type: keyof typeof types }) => ({
  name,
  type: types[type],
});

export interface StorageProps {
  removalPolicy: RemovalPolicy;
  blobExpiration?: Duration | undefined;
}

export class Storage extends Construct {
  readonly table: dynamodb.Table;
  readonly bucket: s3.Bucket;

  constructor(scope: Construct, id: string, props: StorageProps) {
    super(scope, id);
    this.table = journalTable(this, props.removalPolicy);
    this.bucket = blobBucket(this, props);
  }
}

function journalTable(scope: Construct, removalPolicy: RemovalPolicy): dynamodb.Table {
  const table = new dynamodb.Table(scope, "Journal", {
    partitionKey: attribute(TABLE_SCHEMA.partitionKey),
    sortKey: attribute(TABLE_SCHEMA.sortKey),
    billingMode: dynamodb.BillingMode.PAY_PER_REQUEST,
    timeToLiveAttribute: TABLE_SCHEMA.ttlAttribute,
    pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
    removalPolicy,
  });
  table.addGlobalSecondaryIndex({
    indexName: due.name,
    partitionKey: attribute(due.partitionKey),
    sortKey: attribute(due.sortKey),
    projectionType: dynamodb.ProjectionType.KEYS_ONLY,
  });
  for (const list of Object.values(lists)) {
    table.addGlobalSecondaryIndex({
      indexName: list.name,
      partitionKey: attribute(list.partitionKey),
      sortKey: attribute(list.sortKey),
      projectionType: dynamodb.ProjectionType.INCLUDE,
      nonKeyAttributes: [...list.projection.attributes],
    });
  }
  return table;
}

function blobBucket(scope: Construct, props: StorageProps): s3.Bucket {
  const bucket = new s3.Bucket(scope, "Blobs", {
    blockPublicAccess: s3.BlockPublicAccess.BLOCK_ALL,
    encryption: s3.BucketEncryption.S3_MANAGED,
    enforceSSL: true,
    objectOwnership: s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
    lifecycleRules: [
      {
        expiration: props.blobExpiration ?? Duration.days(BLOB_EXPIRY_MS / 86_400_000),
        abortIncompleteMultipartUploadAfter: Duration.days(1),
      },
    ],
    removalPolicy: props.removalPolicy,
  });
  Validations.of(bucket).acknowledge({
    id: "AwsSolutions-S1",
    reason:
      "Only the functions of this stack read and write blobs; their requests are in the journal and the traces.",
  });
  return bucket;
}
