import { WaggleError } from '../../topology/waggle-error.ts'

/** The error of an unsuccessful response: WAGGLE_SERVER_ERROR from 500 on, else WAGGLE_REQUEST_REFUSED. */
export function problemOf(response: Response, bytes: Buffer): WaggleError {
  let problem: {
    readonly mistakes?: unknown
    readonly title?: string
    readonly detail?: string
    readonly request_id?: string
    readonly bee?: string
  } = {}
  try {
    problem = JSON.parse(bytes.toString()) as typeof problem
  } catch {
    // The body is not a problem from Waggle, so only the status can be reported.
  }
  if (Array.isArray(problem.mistakes)) return mistakesError(problem.detail ?? '', problem.mistakes)
  const at = problem.bee === undefined ? '' : ` at ${problem.bee}`
  return new WaggleError(response.status >= 500 ? 'WAGGLE_SERVER_ERROR' : 'WAGGLE_REQUEST_REFUSED', {
    message: `${response.status} ${problem.title ?? response.statusText}${at}: ${problem.detail ?? bytes.toString().slice(0, 200)}`.replace(
      /[.:\s]+$/,
      '',
    ),
    next: `The request id is ${problem.request_id ?? response.headers.get('x-request-id') ?? 'unknown'}.`,
  })
}

/** The error for the mistakes in a swarm that was sent to a server. */
function mistakesError(detail: string, mistakes: readonly unknown[]): WaggleError {
  const errors = mistakes.flatMap((one) => {
    if (one === null || typeof one !== 'object') return []
    const { file, line, column, message, next } = one as { readonly [name: string]: unknown }
    return [new WaggleError('WAGGLE_SWARM_MISTAKE', { message: String(message), next: String(next), place: `${file}:${line}:${column}` })]
  })
  return new WaggleError('WAGGLE_INVALID_SWARM', { message: detail, next: 'Correct each mistake.', cause: new AggregateError(errors) })
}
