"""What pulumi-cloudflare's provider does for the resource types of the program, over Cloudflare's REST API."""
