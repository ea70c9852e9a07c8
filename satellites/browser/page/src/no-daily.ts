// Stands where @daily-co/daily-js would be: the WebRTC transport imports it for a media manager that is never made.
export default {};
