/** The place of large payloads on S3. */
export interface ClaimBucket {
  readonly bucket: string
  /** The beginning of all keys. It ends with a slash. */
  readonly prefix: string
}

/** Reads `s3://BUCKET/PREFIX`; null for any other text. The name of a bucket follows S3's own rule. */
export function claimBucket(address: string): ClaimBucket | null {
  const [, bucket = '', path = ''] = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])\/([A-Za-z0-9._/-]{1,100})$/.exec(address) ?? []
  const prefix = path.replace(/\/+$/, '')
  if (bucket === '' || bucket.includes('..') || prefix === '' || prefix.startsWith('/')) return null
  return { bucket, prefix: `${prefix}/` }
}
