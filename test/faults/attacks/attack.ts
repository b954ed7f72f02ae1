import type { Victim } from './victim.ts'

/** One attack. `run` returns the promises that it saw broken; an empty list if all promises held. */
export interface Attack {
  readonly name: string
  run(victim: Victim): Promise<readonly string[]>
}

/** Sends each request. Returns the requests that got a wrong status, or an error that is not problem+json. */
export async function statuses(
  sent: readonly { readonly what: string; readonly may: readonly number[]; readonly send: () => Promise<Response> }[],
): Promise<string[]> {
  const broken: string[] = []
  await Promise.all(
    sent.map(async ({ what, may, send }) => {
      try {
        const response = await send()
        const said = await response.text()
        if (!may.includes(response.status)) broken.push(`${what}: ${response.status} in place of ${may.join(' or ')}: ${said.slice(0, 300)}`)
        if (response.status >= 400 && !response.headers.get('content-type')?.startsWith('application/problem+json'))
          broken.push(`${what}: ${response.status} is no problem+json: ${said.slice(0, 100)}`)
        if (/\bat .*\(?(file:|node:|\/)/.test(said)) broken.push(`${what}: the answer has a stack trace: ${said.slice(0, 300)}`)
      } catch (error) {
        broken.push(`${what}: ${error instanceof Error ? `${error.message} ${(error.cause as Error | undefined)?.message ?? ''}` : error}`)
      }
    }),
  )
  return broken
}
