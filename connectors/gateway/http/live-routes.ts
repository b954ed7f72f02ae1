import type { FastifyInstance } from 'fastify'
import type { Clock } from '../../../processor/ports.ts'
import type { Page } from '../../../topology/swarm/page.ts'
import { CallerPlaces } from '../access/caller-places.ts'
import { eventStreamAnswer, jsonAnswer } from './described-route.ts'
import { EventStream } from './event-stream.ts'
import { liveSwarm } from './management-answers.ts'
import { sendJson } from './management-routes.ts'

/**
 * `GET /v1/live`: the swarms of this process, and their counts once a second, as server-sent events for the page. All callers share one count a
 * second.
 */
export function liveRoutes(app: FastifyInstance, { page, clock }: { readonly page: Page; readonly clock: Clock }): void {
  const open = new Set<EventStream>()
  const viewers = new CallerPlaces({ max: maxStreams, what: 'pages are open' })
  let isCounting = false
  app.addHook('preClose', async () => {
    for (const stream of open) stream.end()
  })
  app.get(
    '/v1/live',
    {
      // Nobody would read the body of an answer to HEAD, and its stream would stay open.
      exposeHeadRoute: false,
      config: { scope: 'read', pressureHandler: () => {}, rateLimit: false },
      schema: {
        tags: ['management'],
        summary: 'The swarms of this process and their counts, each second',
        response: eventStreamAnswer,
      },
    },
    async (request, reply) => {
      const shape = page.shape()
      const leave = viewers.take(request.caller.name)
      const stream = new EventStream(clock, () => {
        leave()
        open.delete(stream)
      })
      open.add(stream)
      stream.send('shape', '', shape)
      if (!isCounting) void count()
      return stream.answer(reply)
    },
  )

  app.get<{ Params: { swarm: string } }>(
    '/v1/live/:swarm',
    {
      config: { scope: 'read' },
      schema: {
        tags: ['management'],
        summary: 'The state of a swarm in this process: what waits, its joins, stores and replicas',
        response: jsonAnswer(liveSwarm),
      },
    },
    async ({ params }, reply) => sendJson(reply, page.state(params.swarm)),
  )

  /** Sends the counts every second until no caller is left. */
  async function count(): Promise<void> {
    isCounting = true
    try {
      let shape = JSON.stringify(page.shape())
      while (open.size > 0) {
        const counts = await page.counts()
        // The list of swarms changes while the process runs, so it is read again.
        const now = page.shape()
        if (JSON.stringify(now) !== shape) for (const stream of open) stream.send('shape', '', now)
        shape = JSON.stringify(now)
        for (const stream of open) stream.send('counts', '', counts)
        await new Promise<void>((resolve) => void clock.after(1000, resolve))
      }
    } catch {
      // The callers reconnect, and see the error if the log is still unreachable.
      for (const stream of open) stream.cut()
    } finally {
      isCounting = false
    }
  }
}

const maxStreams = 32
