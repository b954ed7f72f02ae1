import type { AnsweredRequest } from '../../connectors/gateway/http/http-gateway.ts'
import type { Family, Labels, Sample } from './exposition.ts'

/** Counts and durations of the requests at this process's gateways. */
export class RequestMeters {
  readonly #counts = new Map<string, { readonly labels: Labels; count: number }>()
  readonly #durations = new Map<string, { readonly labels: Labels; readonly buckets: number[]; sumSeconds: number; count: number }>()

  /** Adds a request. For an unknown gateway the name is left out, because callers can make up any number of names. */
  answered({ gateway, call, status, durationMs }: AnsweredRequest): void {
    const labels = { gateway: gateway ?? '', call }
    const name = `${labels.gateway}/${call}`
    const counted = this.#counts.get(`${name}/${status}`) ?? { labels: { ...labels, status: String(status) }, count: 0 }
    this.#counts.set(`${name}/${status}`, counted)
    counted.count++
    const timed = this.#durations.get(name) ?? { labels, buckets: boundsSeconds.map(() => 0), sumSeconds: 0, count: 0 }
    this.#durations.set(name, timed)
    const seconds = durationMs / 1000
    boundsSeconds.forEach((bound, at) => {
      if (seconds <= bound) timed.buckets[at] = (timed.buckets[at] ?? 0) + 1
    })
    timed.sumSeconds += seconds
    timed.count++
  }

  get families(): readonly Family[] {
    return [
      {
        name: 'waggle_gateway_requests_total',
        help: 'Requests that a gateway has answered, by HTTP status.',
        type: 'counter',
        samples: [...this.#counts.values()].map(({ labels, count }) => ({ labels, value: count })),
      },
      {
        name: 'waggle_gateway_request_duration_seconds',
        help: 'From the first byte of a request at a gateway to the last of its answer.',
        type: 'histogram',
        samples: [...this.#durations.values()].flatMap(({ labels, buckets, sumSeconds, count }): Sample[] => [
          ...boundsSeconds.map((bound, at) => ({ suffix: '_bucket', labels: { ...labels, le: String(bound) }, value: buckets[at] ?? 0 })),
          { suffix: '_bucket', labels: { ...labels, le: '+Inf' }, value: count },
          { suffix: '_sum', labels, value: sumSeconds },
          { suffix: '_count', labels, value: count },
        ]),
      },
    ]
  }
}

const boundsSeconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]
