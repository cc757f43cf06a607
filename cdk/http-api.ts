/**
 * The HTTP API in front of the api function: one proxy route, no open one, throttled, with access logs. Callers sign
 * with IAM (the default) or bring a token of the issuer that the user names.
 */
import { RemovalPolicy } from "aws-cdk-lib";
import * as apigateway from "aws-cdk-lib/aws-apigatewayv2";
import { HttpIamAuthorizer, HttpJwtAuthorizer } from "aws-cdk-lib/aws-apigatewayv2-authorizers";
import { HttpLambdaIntegration } from "aws-cdk-lib/aws-apigatewayv2-integrations";
import type * as iam from "aws-cdk-lib/aws-iam";
import type * as lambda from "aws-cdk-lib/aws-lambda";
import * as logs from "aws-cdk-lib/aws-logs";
import { Construct } from "constructs";

export type Auth = "iam" | { jwt: { issuer: string; audience: string[] } };

/** Requests a second, lasting and in a burst; above it callers get 429. */
export interface Throttle {
  rateLimit: number;
  burstLimit: number;
}

export interface HttpEndpointProps {
  handler: lambda.Function;
  auth: Auth;
  throttle: Throttle;
  logRetention: logs.RetentionDays;
}

export class HttpEndpoint extends Construct {
  readonly api: apigateway.HttpApi;
  readonly url: string;
  readonly #routes: apigateway.HttpRoute[];

  constructor(scope: Construct, id: string, props: HttpEndpointProps) {
    super(scope, id);
    this.api = new apigateway.HttpApi(this, "Api", { createDefaultStage: false });
    const authorizer = authorizerOf(props.auth);
    const integration = new HttpLambdaIntegration("Function", props.handler);
    this.#routes = ["/", "/{proxy+}"].flatMap((path) =>
      this.api.addRoutes({
        path,
        methods: [apigateway.HttpMethod.ANY],
        integration,
        authorizer,
      }),
    );
    const log = new logs.LogGroup(this, "AccessLog", {
      retention: props.logRetention,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    const stage = new apigateway.HttpStage(this, "Stage", {
      httpApi: this.api,
      autoDeploy: true,
      throttle: props.throttle,
      accessLogSettings: { destination: new apigateway.LogGroupLogDestination(log) },
    });
    this.url = stage.url;
  }

  /** Lets an IAM principal call every path. */
  grantInvoke(grantee: iam.IGrantable): void {
    for (const route of this.#routes) route.grantInvoke(grantee);
  }
}

function authorizerOf(auth: Auth): apigateway.IHttpRouteAuthorizer {
  if (auth === "iam") return new HttpIamAuthorizer();
  return new HttpJwtAuthorizer("Jwt", auth.jwt.issuer, { jwtAudience: auth.jwt.audience });
}
