import { ownMember } from '../../topology/own-member.ts'
import { saidBy, type WaggleError } from '../../topology/waggle-error.ts'
import { away, isCertificateError, refused } from './store-error.ts'

/** Turns an error of the SDK into an error of Waggle. A refusal is final; every other error may be temporary. */
export function s3Error(address: string, thrown: unknown, signal: AbortSignal): WaggleError {
  if (signal.aborted) throw signal.reason
  const { name, message, status } = saidByS3(thrown)
  if (name === 'CredentialsProviderError' || name === 'TokenProviderError')
    return refused(address, `this machine has no credentials for S3 (${message})`, 'Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE.')
  if (/Region is missing/.test(message)) return refused(address, 'the region of the bucket is not set', 'Set AWS_REGION.')
  if (isCertificateError(thrown))
    return refused(address, `its certificate is not valid (${message})`, 'Set NODE_EXTRA_CA_CERTS to the file of its authority.')
  if (status === null || status >= 500 || status === 408 || status === 429 || name === 'SlowDown') return away(address, thrown)
  const said = `the store said ${name} (${status})${message === '' || message === name ? '' : `: ${message}`}`
  return refused(
    address,
    said,
    ownMember(next, name) ?? 'Give the user of these credentials the rights s3:GetObject and s3:ListBucket, or correct the address.',
  )
}

export function isMissing(thrown: unknown): boolean {
  const { name, status } = saidByS3(thrown)
  return status === 404 || name === 'NoSuchKey' || name === 'NoSuchBucket' || name === 'NotFound'
}

/** True if the object's ETag is not the wanted one. */
export function isChanged(thrown: unknown): boolean {
  const { name, status } = saidByS3(thrown)
  return status === 412 || name === 'PreconditionFailed'
}

/** True if the object has no byte of the requested range: it is empty, or shorter than the range's start (416). */
export function isPastTheEnd(thrown: unknown): boolean {
  const { name, status } = saidByS3(thrown)
  return status === 416 || name === 'InvalidRange'
}

function saidByS3(thrown: unknown): { readonly name: string; readonly message: string; readonly status: number | null } {
  if (!(thrown instanceof Error)) return { name: '', message: String(thrown), status: null }
  const metadata = '$metadata' in thrown ? (thrown.$metadata as { readonly httpStatusCode?: number } | undefined) : undefined
  return { name: saidBy(thrown.name), message: saidBy(thrown), status: metadata?.httpStatusCode ?? null }
}

const next: { readonly [name: string]: string | undefined } = {
  SignatureDoesNotMatch: 'Correct AWS_SECRET_ACCESS_KEY, or the profile of AWS_PROFILE.',
  InvalidAccessKeyId: 'Correct AWS_ACCESS_KEY_ID, or the profile of AWS_PROFILE.',
  ExpiredToken: 'Renew the credentials.',
  ExpiredTokenException: 'Renew the credentials.',
  RequestTimeTooSkewed: 'Correct the clock of this machine.',
}
