import { noTokens } from '../../connectors/gateway/access/caller.ts'
import { type HttpGateway, type HttpGatewayOptions, openHttpGateway } from '../../connectors/gateway/http/http-gateway.ts'
import { systemClock } from '../../connectors/system/system-clock.ts'
import { SystemRandom } from '../../connectors/system/system-random.ts'
import { readBack } from '../../topology/swarm/request/durable.ts'
import type { Requests } from '../../topology/swarm/request/requests.ts'

/** An HTTP gateway without swarms. Its gateway `door` answers each request with its own body. */
export function openEchoGateway(more: Partial<HttpGatewayOptions> = {}): Promise<HttpGateway> {
  return openHttpGateway({
    requests: echo,
    callers: noTokens,
    clock: systemClock,
    random: new SystemRandom(),
    idSecret: new Uint8Array(32),
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
    metrics: () => 'a_metric 1\n',
    ...more,
  })
}

/** Answers each request with its own body. Every id is a request that was answered. */
export const echo: Requests = {
  gateways: ['door'],
  refusal: () => null,
  submit: async ({ id }) => readBack({ id }),
  request: async ({ id, body, contentType }) => readBack({ id, state: 'answered', answer: { kind: 'bytes', bytes: body, contentType } }),
  find: async () => readBack({ state: 'answered' as const, answer: { kind: 'json' as const, json: 'the answer' }, bodyHash: '' }),
}
