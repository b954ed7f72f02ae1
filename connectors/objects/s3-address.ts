import { invalidAddress } from './invalid-address.ts'

export interface S3Address {
  readonly bucket: string
  /** A key, or the common prefix of several keys up to a slash. It is never empty. */
  readonly key: string
}

/** Reads `s3://bucket/key`. Nothing is decoded, because a key may contain a `%` or a `?`. Throws WAGGLE_MODEL_SOURCE. */
export function parseS3Address(address: string): S3Address {
  const [, bucket = '', key = ''] = /^s3:\/\/([^/]*)\/?(.*)$/is.exec(address) ?? []
  // The rule for bucket names on S3 itself. Other servers accept no other names.
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket) || bucket.includes('..'))
    throw invalidAddress(address, `the bucket ${JSON.stringify(bucket)} is not a name of 3 to 63 lower-case letters, digits, dots and hyphens`)
  if (key === '') throw invalidAddress(address, 'a key, or a prefix of keys, is missing behind the bucket')
  if (Buffer.byteLength(key) > maxKeyBytes) throw invalidAddress(address, `a key has at most ${maxKeyBytes} bytes`)
  return { bucket, key }
}

const maxKeyBytes = 1024
