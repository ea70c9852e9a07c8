"""The doors of the house, and the HTTP application that the web doors mount on."""
