import { AnswerRoom } from '../../connectors/claims/answer-room.ts'
import { PayloadClaims } from '../../connectors/claims/payload-claims.ts'
import { systemClock } from '../../connectors/system/system-clock.ts'
import { SystemRandom } from '../../connectors/system/system-random.ts'
import { ClaimedAnswers } from '../../ops/requests/claimed-answers.ts'
import type { Payload } from '../../topology/swarm/payload/payload.ts'
import { readBack } from '../../topology/swarm/request/durable.ts'
import type { Requests } from '../../topology/swarm/request/requests.ts'
import { echo } from './echo-gateway.ts'
import { MemoryClaims } from './memory-claims.ts'

/** Requests that all have the same large answer, which is in a claim store. */
export async function largeAnswers(bytes: Uint8Array, contentType: string, { maxBytes = 1024 * 1024 * 1024 } = {}) {
  const [store, clock, random] = [new MemoryClaims(), systemClock, new SystemRandom()]
  const claims = new PayloadClaims({ store, clock, random, maxInlineBytes: 10, lifetimeMs: 60_000, maxFetchedBytes: maxBytes })
  const room = new AnswerRoom({ clock, maxBytes })
  const answer: Payload = { kind: 'claim', claim: await claims.put(bytes, contentType, new AbortController().signal) }
  const requests: Requests = {
    ...echo,
    request: async ({ id }) => readBack({ id, state: 'answered', answer }),
    find: async () => readBack({ state: 'answered' as const, answer, bodyHash: '' }),
  }
  return { store, room, requests, answers: new ClaimedAnswers({ claims, room, clock }) }
}
