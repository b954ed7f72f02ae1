import { createServer, type Server, type ServerResponse } from 'node:http'
import { systemClock } from '../../connectors/system/system-clock.ts'
import type { PageBee, PageCounts, PageShape } from '../../topology/swarm/page.ts'
import { pageFiles } from '../page/page-files.ts'

/**
 * Serves the files of the page, and events of a swarm whose numbers all change with each event. A real swarm sends an event a second. Its bees would
 * take the cores that the browser needs, so this server computes nothing.
 */
export class ShownSwarm {
  readonly #server: Server
  readonly #shape: PageShape
  #countsPerSecond = 1
  #turn = 0
  /** The number of events with counts so far. */
  sent = 0

  private constructor(bees: number) {
    this.#shape = { instance: 'bench', swarms: [{ name: 'busy', gateways: [], bees: layers(bees) }] }
    const { files, contentSecurityPolicy } = pageFiles()
    this.#server = createServer((request, response) => {
      const path = (request.url ?? '').split('?', 1)[0] ?? ''
      const file = files.get(path)
      if (path === '/v1/live') this.#follow(response)
      else if (file === undefined)
        response.writeHead(404, { 'content-type': 'application/json' }).end('{"detail":"It is not part of this benchmark"}')
      else {
        const headers = { 'content-type': file.contentType, 'content-encoding': 'gzip', 'content-security-policy': contentSecurityPolicy }
        response.writeHead(200, headers).end(file.gzip)
      }
    })
  }

  static async start({ bees }: { readonly bees: number }): Promise<ShownSwarm> {
    const shown = new ShownSwarm(bees)
    await new Promise<void>((resolve, reject) => shown.#server.once('error', reject).listen(0, '127.0.0.1', resolve))
    return shown
  }

  get url(): string {
    const address = this.#server.address()
    return `http://127.0.0.1:${address !== null && typeof address === 'object' ? address.port : 0}/`
  }

  get edges(): number {
    return this.#shape.swarms.flatMap(({ bees }) => bees.flatMap(({ after }) => after)).length
  }

  /** Sets the number of events a second. With 0 there is one event a second, whose counts are the same as before. */
  set countsPerSecond(rate: number) {
    this.#countsPerSecond = rate
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #follow(response: ServerResponse): void {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write(`event: shape\ndata: ${JSON.stringify(this.#shape)}\n\n`)
    let atMs = systemClock.now()
    const send = () => {
      if (response.destroyed) return
      // The page computes rates from the times of the counts, and ignores counts that are less than 0.1 s apart.
      atMs += 1000
      if (this.#countsPerSecond > 0) this.#turn += 1
      response.write(`event: counts\ndata: ${JSON.stringify(this.#counts(atMs))}\n\n`)
      this.sent += 1
      systemClock.after(1000 / Math.max(1, this.#countsPerSecond), send)
    }
    send()
  }

  /** Counts that grow by another number for each bee and each turn. */
  #counts(at: number): PageCounts {
    const turn = this.#turn
    const swarms = this.#shape.swarms.map(({ name, bees }) => ({
      name,
      not_ready: null,
      in_hand: turn % 97,
      topics: Object.fromEntries(bees.map((bee, index) => [bee.topic ?? '', turn * 400 + ((turn * (index + 7)) % 311)])),
      waiting: Object.fromEntries(
        bees.map((bee, index) => [bee.name, Object.fromEntries(bee.after.map((from) => [from, 1 + ((turn * (index + 3)) % 89)]))]),
      ),
      bees: Object.fromEntries(
        bees.map((bee, index) => {
          const calls = turn * 40 + ((turn * (index + 5)) % 23)
          return [
            bee.name,
            {
              calls,
              rows: calls * 10 + ((turn * (index + 3)) % 37),
              failed: 0,
              seconds: turn * 0.12 + ((turn * index) % 7) / 100,
              started: calls * 10,
              waited_seconds: turn * 6 + ((turn * (index + 1)) % 11) / 10,
              batch_limit: 16,
            },
          ]
        }),
      ),
    }))
    return { at, swarms }
  }
}

/** Bees in layers of seven. Each bee reads two bees of the layer before. */
function layers(count: number): readonly PageBee[] {
  const width = 7
  return [...Array(count).keys()].map((at) => {
    const first = Math.floor((at - 1) / width) * width + 1 - width
    const before = at === 0 ? [] : first < 1 ? [0] : [first + ((at - 1) % width), first + (at % width)]
    return {
      name: `bee-${at}`,
      type: at === 0 ? 'gateway-input' : 'module',
      after: before.map((one) => `bee-${one}`),
      stacks: false,
      topic: `bee-${at}`,
    }
  })
}
