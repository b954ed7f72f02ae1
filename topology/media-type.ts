/** The media type of a content type, in lower case and without parameters; empty if there is no content type. */
export function mediaTypeOf(contentType: string | null | undefined): string {
  return (contentType?.split(';', 1)[0] ?? '').trim().toLowerCase()
}
