/**
 * What pages from this server may do (https://www.w3.org/TR/CSP3/), for helmet: load our own files, call our own
 * API and socket, and nothing else. No inline script or style, no picture from elsewhere, no frame around it:
 * text of a model cannot make the browser ask anybody anything. Scripts of the page cannot make elements of a string
 * (https://www.w3.org/TR/trusted-types/) but by way of DOMPurify, the one policy there is. For the whole server; a
 * page that needs more sets its own header.
 */
export const contentSecurityPolicy = {
  useDefaults: false,
  directives: {
    defaultSrc: ["'none'"],
    scriptSrc: ["'self'"],
    styleSrc: ["'self'"],
    imgSrc: ["'self'"],
    connectSrc: ["'self'"],
    baseUri: ["'none'"],
    formAction: ["'self'"],
    frameAncestors: ["'none'"],
    requireTrustedTypesFor: ["'script'"],
    trustedTypes: ['dompurify'],
  },
};
