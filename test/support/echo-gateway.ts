import { noTokens } from '../../connectors/gateway/access/caller.ts'
import { placesOfFollowers } from '../../connectors/gateway/access/caller-places.ts'
import { type GrpcGateway, type GrpcGatewayOptions, openGrpcGateway } from '../../connectors/gateway/grpc/grpc-gateway.ts'
import { type HttpGateway, type HttpGatewayOptions, openHttpGateway } from '../../connectors/gateway/http/http-gateway.ts'
import { systemClock } from '../../connectors/system/system-clock.ts'
import type { EdgeTypes, InferenceModels } from '../../topology/swarm/inference-models.ts'
import { payloadOfBytes } from '../../topology/swarm/payload/payload-serde.ts'
import { readBack } from '../../topology/swarm/request/durable.ts'
import type { Requests } from '../../topology/swarm/request/requests.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { requestIds } from './request-ids.ts'

/** The options that gateways of both protocols have. */
const common = {
  callers: noTokens,
  clock: systemClock,
  requestIds: requestIds(),
  host: '127.0.0.1',
  port: 0,
  requestTimeoutMs: 5000,
  maxBodyBytes: 64 * 1024,
  maxBodiesBytes: 1024 * 1024,
  maxConnections: 200,
  names: [],
  rateLimitPerSecond: null,
  notReady: () => null,
  onError: () => {},
  onAnswered: () => {},
}

/** An HTTP gateway without swarms. Its gateway `door` answers each request with the request's own body. */
export function openEchoGateway(more: Partial<HttpGatewayOptions> = {}): Promise<HttpGateway> {
  return openHttpGateway({
    requests: echo,
    ...common,
    metrics: () => 'a_metric 1\n',
    ...more,
  })
}

/** A gRPC gateway of the same kind. Its model `door` answers each request with the request's own input. */
export function openEchoGrpc(more: Partial<GrpcGatewayOptions> = {}): Promise<GrpcGateway> {
  return openGrpcGateway({
    requests: payloadEcho,
    followers: placesOfFollowers(),
    models: doorModels(),
    ...common,
    ...more,
  })
}

/** Answers each request with the request's own body. Every id belongs to an answered request. */
export const echo: Requests = {
  gateways: ['door'],
  refusal: () => null,
  submit: async ({ id }) => readBack({ id }),
  request: async ({ id, body, contentType }) => readBack({ id, state: 'answered', answer: { kind: 'bytes', bytes: body, contentType } }),
  find: async () => readBack({ state: 'answered' as const, answer: { kind: 'json' as const, json: 'the answer' }, bodyHash: '' }),
}

/** Answers each request with the request's own input: tensors with the same tensors, JSON with the same JSON. */
export const payloadEcho: Requests = {
  ...echo,
  request: async ({ id, body, contentType }) => readBack({ id, state: 'answered', answer: payloadOfBytes(body, contentType) }),
}

/** The gateway `door` as the models `door` and `house`, in version 3, with these types. */
export function doorModels(types: EdgeTypes = { input: null, output: null }): InferenceModels {
  return {
    find(name, version) {
      if ((name === 'door' || name === 'house') && (version === '' || version === '3'))
        return { swarm: 'house', gateway: 'door', version: '3', types: async () => types }
      throw new WaggleError('WAGGLE_INFERENCE_MODEL', { message: `There is no model ${name} ${version}`, next: 'Name door.' })
    },
  }
}
