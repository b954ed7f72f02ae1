/** The media type of a content type, in lower case and without parameters; empty if there is no content type. */
export function mediaTypeOf(contentType: string | null | undefined): string {
  if (contentType === null || contentType === undefined) return ''
  return plain.test(contentType) ? contentType : (contentType.split(';', 1)[0] ?? '').trim().toLowerCase()
}

/** A content type that is a media type already. Most are, and a request asks several times. */
const plain = /^[a-z0-9.+/-]+$/
