import { insideJson } from '../../topology/swarm/payload/json-value.ts'
import type { HttpAnswer } from '../../topology/swarm/ports/http-calls.ts'
import { clipped, Refused, saidBy, WaggleError } from '../../topology/waggle-error.ts'
import type { BytesOutput } from '../define-bee.ts'

/**
 * The result of a call: the value of a JSON body, null for an empty body, and bytes with their media type for any other body. Throws `Refused` if the
 * server reports that the input is wrong, and WAGGLE_HTTP_CALL_REFUSED for any other status.
 */
export function answerResult({ status, contentType, bytes, location }: HttpAnswer, shown: string): unknown {
  if (status >= 200 && status < 300) return body(contentType, bytes, shown)
  if (status >= 300 && status < 400)
    throw refused(
      `${shown} redirects to ${clipped(location ?? 'nowhere').slice(0, 200)}, which is not followed`,
      'Name the address where the service is.',
    )
  const said = `${shown} answers ${status}${saidIn(contentType, bytes)}`
  if (faultsOfInputs.has(status)) throw new Refused(said)
  throw refused(said, status === 401 || status === 403 ? 'Correct the credentials in spec.headers.' : 'Correct spec, or the service.')
}

function body(contentType: string, bytes: Uint8Array, shown: string): unknown | BytesOutput {
  if (bytes.length === 0) return null
  if (!isJson(contentType)) return { contentType: contentType === '' ? 'application/octet-stream' : contentType, bytes }
  try {
    return insideJson(bytes)
  } catch (thrown) {
    throw refused(`${shown} answers with JSON that cannot be read: ${saidBy(thrown)}`, 'Correct the service.')
  }
}

/** The service's own description of an error, from the fields that usually contain it (RFC 9457 and others). */
function saidIn(contentType: string, bytes: Uint8Array): string {
  if (!isJson(contentType) || bytes.length > maxErrorBytes) return ''
  try {
    const json = insideJson(bytes)
    if (json === null || typeof json !== 'object') return ''
    const { detail, message, error, title } = json as { readonly [key: string]: unknown }
    const text = [detail, message, error, title].find((one) => typeof one === 'string' && one !== '')
    return text === undefined
      ? ''
      : `: ${String(text)
          .replace(/\p{Cc}+/gu, ' ')
          .toWellFormed()
          .slice(0, 300)}`
  } catch {
    // The body is not JSON, so the error contains only the status.
    return ''
  }
}

function isJson(contentType: string): boolean {
  return /^application\/([\w.+-]+\+)?json\b/i.test(contentType)
}

function refused(message: string, next: string): WaggleError {
  return new WaggleError('WAGGLE_HTTP_CALL_REFUSED', { message, next })
}

/** Statuses that blame the input: the call could succeed with another input. */
const faultsOfInputs: ReadonlySet<number> = new Set([400, 404, 409, 410, 413, 414, 415, 416, 422])
const maxErrorBytes = 64 * 1024
